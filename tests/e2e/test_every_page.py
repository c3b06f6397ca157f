"""Every page there is, in light and in dark: accessible, under a strict policy, without a complaint on the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import pytest
from fastapi.routing import APIRoute

from app import pages
from app.pages.shown import PANELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

OPEN: Final = ",".join(PANELS)
PAGES: Final = {
    "/": ("/",),
    "/policies": ("/policies", "/policies?kind=scan&length=200&pages=6&frames=6", "/policies?frames=0"),
    "/problems": ("/problems", "/problems#over-budget"),
    "/m/{machine_id}": ("/m/nobody", "/m/MACHINE", f"/m/MACHINE?open={OPEN}&term=cat+/proc/meminfo"),
    "/m/{machine_id}/compare": ("/m/MACHINE/compare", "/m/MACHINE/compare?name=swappiness&value=100"),
    "/m/{machine_id}/branch": ("/m/MACHINE/branch", "/m/MACHINE/branch?from=1&name=swappiness&value=10"),
    "/keys": ("/keys",),
    "/m/{machine_id}/share": ("/m/MACHINE/share",),
    "/s/{code}": ("/s/CODE", "/s/nothing"),
    "/embed/{code}": ("/embed/CODE",),
}
"""Every page's address, as its route writes it, and what is looked at."""
NOT_PAGES: Final = (".json", ".txt", ".pw", ".c", ".svg", ".png", "/do", "/go", "/program")
"""What a page gives to take away, and where forms are sent to."""


@pytest.fixture(scope="module")
def places(browser: Browser, base_url: str) -> dict[str, str]:
    """A machine that did something, and the code of its link."""
    page = browser.new_page()
    page.goto(base_url)
    page.get_by_role("button", name="Copy on write after fork").click()
    page.wait_for_url("**/m/*")
    machine = page.url.rpartition("/m/")[2].partition("?")[0]
    page.request.post(
        f"{base_url}/m/{machine}/program", form={"do": "here", "program": "m = mmap 64K rw\ntouch m 64K\nfork child"}
    )
    page.goto(f"{base_url}/m/{machine}/share")
    code = page.locator("#f-link").input_value().rpartition("/s/")[2]
    page.close()
    return {"MACHINE": machine, "CODE": code}


def test_every_page_is_looked_at() -> None:
    routes = {
        route.path
        for router in pages.routers
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()) and not route.path.endswith(NOT_PAGES)
    }
    assert routes == set(PAGES)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [path for paths in PAGES.values() for path in paths])
def test_a_page_is_accessible_and_has_no_inline_script(
    page: Page,
    base_url: str,
    places: dict[str, str],
    complaints: list[str],
    is_accessible: Callable[[Page], None],
    path: str,
    scheme: Literal["light", "dark"],
) -> None:
    for name, value in places.items():
        path = path.replace(name, value)
    page.emulate_media(color_scheme=scheme)
    answer = page.goto(base_url + path)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert page.locator("script:not([src]), [onclick], [onload], [style]").count() == 0
    is_accessible(page)
    if answer.status == 404:
        complaints[:] = [text for text in complaints if "404" not in text]
