"""The pages: server-rendered HTML, one typed context a template."""

from app.pages.playground import router

__all__ = ["router"]
