"""`./dev shots [DIR]`: pictures of the playground as a reader, a night owl and a phone see it, for eyes and for docs/."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import uvicorn
from playwright.sync_api import sync_playwright

from app.main import create_app
from app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


class Shot(NamedTuple):
    """One picture: its name, the window's width and height in CSS pixels, the colours, and whether all of the page is wanted."""

    name: str
    width: int
    height: int
    colours: Literal["light", "dark"]
    whole: bool


SHOTS: Final = (
    Shot("playground", 1440, 900, "light", whole=False),
    Shot("playground-dark", 1440, 900, "dark", whole=False),
    Shot("playground-whole", 1440, 900, "light", whole=True),
    Shot("playground-phone", 390, 844, "light", whole=True),
)
STORY: Final = (
    {"op": "malloc", "size": 100, "as": "a"},
    {"op": "malloc", "size": 1000, "as": "b"},
    {"op": "malloc", "size": 24, "as": "c"},
    {"op": "free", "ptr": "b"},
    {"op": "mmap", "length": 262144, "prot": "rw", "flags": ["private"], "as": "m"},
    {"op": "touch", "ptr": "m", "length": 65536, "access": "w"},
    {"op": "malloc", "size": 200, "as": "d"},
)
"""What has happened on the machine in the pictures; `c` is the chunk that is followed."""


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """A playground on a port of its own, its journal in `data`; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(Settings(data=data)), log_level="warning", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def tell_the_story(browser: Browser, address: str) -> str:
    """Boots a machine, performs STORY on it, and gives the address of its page with `c` chosen."""
    request = browser.new_context(base_url=address).request
    machine = request.post("/api/v1/machines", data={"preset": "64mb"}).json()["id"]
    told = request.post(f"/api/v1/machines/{machine}/commands", data=list(STORY))
    if not told.ok:
        raise SystemExit(f"the story was refused: {told.text()}")
    return f"{address}/m/{machine}?at=c"


def take(browser: Browser, shot: Shot, page_address: str, folder: Path) -> None:
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height}, color_scheme=shot.colours, reduced_motion="reduce"
    )
    page = context.new_page()
    answer = page.goto(page_address)
    if answer is None or not answer.ok:
        raise SystemExit(f"{page_address} is not there: {page.inner_text('body')}")
    page.screenshot(path=folder / f"{shot.name}.png", full_page=shot.whole)
    context.close()


def main() -> None:
    """Takes every picture into the folder that the first argument names; shots/ unless told."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "shots")
    folder.mkdir(parents=True, exist_ok=True)
    arguments = ["--disable-gpu", "--disable-background-networking", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with tempfile.TemporaryDirectory() as data, serving(Path(data)) as address, sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM_PATH")
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page_address = tell_the_story(browser, address)
        for shot in SHOTS:
            take(browser, shot, page_address, folder)
            print(folder / f"{shot.name}.png")
        browser.close()


if __name__ == "__main__":
    main()
