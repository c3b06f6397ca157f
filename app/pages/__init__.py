"""The pages: server-rendered HTML, one typed context a template."""

from app.pages import branch, compare, desk, keys_page, playground, policies, problems, sharing, snapshots

routers = (
    sharing.router,
    snapshots.router,
    desk.router,
    policies.router,
    compare.router,
    branch.router,
    problems.router,
    keys_page.router,
    playground.router,
)
"""In the order in which they are asked: /m/ID.json is no machine of that name."""

__all__ = ["routers"]
