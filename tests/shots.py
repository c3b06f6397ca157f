"""`./dev shots [DIR]`: pictures of the playground at three sizes, by day and by night, at rest and short of memory.

The first of them, resting-desktop-light.png, is docs/playground.png.
"""

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
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import Browser


class Window(NamedTuple):
    """A window's width and height in CSS pixels."""

    name: str
    width: int
    height: int


class Story(NamedTuple):
    """What has happened on a machine, and what of its page is looked at."""

    name: str
    preset: str
    commands: tuple[Mapping[str, object], ...]
    query: str


MB: Final = 1 << 20
WINDOWS: Final = (Window("desktop", 1440, 900), Window("tablet", 1024, 768), Window("phone", 390, 844))
COLOURS: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
STORIES: Final = (
    Story(
        "resting",
        "64mb",
        (
            {"op": "malloc", "size": 100, "as": "a"},
            {"op": "malloc", "size": 1000, "as": "b"},
            {"op": "malloc", "size": 24, "as": "c"},
            {"op": "free", "ptr": "b"},
            {"op": "mmap", "length": 262144, "prot": "rw", "flags": ["private"], "as": "m"},
            {"op": "touch", "ptr": "m", "length": 65536, "access": "w"},
            {"op": "malloc", "size": 200, "as": "d"},
        ),
        "at=c",
    ),
    Story(
        "pressed",
        "16mb",
        (
            {"op": "malloc", "size": 5000, "as": "a"},
            {"op": "fork", "child": 1},
            {"op": "mmap", "length": 14 * MB, "as": "m"},
            {"op": "touch", "ptr": "m", "length": 14 * MB},
            {"op": "touch", "ptr": "m", "length": MB, "access": "r"},
        ),
        "at=m&open=processes,step",
    ),
)
"""A session at rest in which `c` is followed, and one in which memory has run short, with two panels open."""


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


def tell(browser: Browser, address: str, story: Story) -> str:
    """Boots the story's machine, performs its commands, and gives the address of its page."""
    request = browser.new_context(base_url=address).request
    machine = request.post("/api/v1/machines", data={"preset": story.preset}).json()["id"]
    told = request.post(f"/api/v1/machines/{machine}/commands", data=list(story.commands))
    if not told.ok:
        raise SystemExit(f"the story was refused: {told.text()}")
    return f"{address}/m/{machine}?{story.query}"


def take(browser: Browser, window: Window, colours: Literal["light", "dark"], page_address: str, file: Path) -> None:
    """One window's picture: what is seen at once; and below it, in FILE-whole.png, all of the page."""
    context = browser.new_context(
        viewport={"width": window.width, "height": window.height}, color_scheme=colours, reduced_motion="reduce"
    )
    page = context.new_page()
    answer = page.goto(page_address)
    if answer is None or not answer.ok:
        raise SystemExit(f"{page_address} is not there: {page.inner_text('body')}")
    page.screenshot(path=file)
    page.screenshot(path=file.with_stem(f"{file.stem}-whole"), full_page=True)
    context.close()


def main() -> None:
    """Takes every picture into the folder that the first argument names; shots/ unless told."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "shots")
    folder.mkdir(parents=True, exist_ok=True)
    arguments = ["--disable-gpu", "--disable-background-networking", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with tempfile.TemporaryDirectory() as data, serving(Path(data)) as address, sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM_PATH")
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        for story in STORIES:
            page_address = tell(browser, address, story)
            for window in WINDOWS:
                for colours in COLOURS:
                    file = folder / f"{story.name}-{window.name}-{colours}.png"
                    take(browser, window, colours, page_address, file)
                    print(file)
        browser.close()


if __name__ == "__main__":
    main()
