"""A server and a browser for the tests of the page. Whatever the page logs as an error fails the test that looked at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FLAGS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
UNNAMED_DRAWINGS: Final = """() =>
  [...document.querySelectorAll('svg')]
    .filter(s => s.getAttribute('aria-hidden') !== 'true' && !(s.getAttribute('role') && s.getAttribute('aria-label')))
    .concat([...document.querySelectorAll('svg [tabindex]')].filter(e => !e.getAttribute('aria-label')))
    .map(e => e.outerHTML.slice(0, 80))"""
"""What axe does not notice: drawings without a name, and parts of them that take the focus without one."""

expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The system's Chromium where there is one; no sandbox for root, who can have none."""
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    found = os.environ.get("CHROMIUM_PATH") or next(filter(None, map(shutil.which, BROWSERS)), None)
    own = {"executable_path": found} if found else {}
    return {**browser_type_launch_args, "args": [*FLAGS, *sandbox], **own}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """A desktop window, without motion."""
    return {
        **browser_context_args,
        "viewport": {"width": 1440, "height": 900},
        "reduced_motion": "reduce",
        "color_scheme": "light",
        "locale": "en-GB",
        "timezone_id": "UTC",
    }


@pytest.fixture(scope="session")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own, on a socket that is listening before it starts: nobody has to wait or guess a port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, number = listener.getsockname()[1], listener.fileno()
        os.set_inheritable(number, True)
        command = [sys.executable, "-m", "uvicorn", "--factory", "app.main:create_app", "--fd", str(number)]
        server = subprocess.Popen(
            [*command, "--log-level", "warning", "--timeout-graceful-shutdown", "1"],
            pass_fds=[number],
            env={**os.environ, "PAGEWALK_DATA": str(tmp_path_factory.mktemp("data"))},
            stdout=subprocess.DEVNULL,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=20) as answer:
            answer.read()
        yield url
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture
def complaints() -> list[str]:
    """What pages have complained of so far; a test that expects a complaint takes it out."""
    return []


@pytest.fixture(autouse=True)
def nothing_is_wrong_on_the_console(page: Page, complaints: list[str]) -> Iterator[None]:
    """Fails a test during which the page logged an error or raised an exception. A refused form is no error."""

    def note(kind: str, text: str) -> None:
        if kind == "error" and "422" not in text:
            complaints.append(text)

    page.on("console", lambda message: note(message.type, message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield
    assert complaints == []


@pytest.fixture
def is_accessible() -> Callable[[Page], None]:
    """Checks a page against WCAG 2.2 AA as far as a program can."""

    def check(page: Page) -> None:
        found = Axe().run(page, options={"runOnly": list(RULES)})
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate(UNNAMED_DRAWINGS) == []

    return check
