"""The README's session is what a reader gets who types it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from typer.testing import CliRunner

from app.cli import app

README: Final = (Path(__file__).parents[1] / "README.md").read_text()
SESSION: Final = re.compile(
    r"^\$ \.venv/bin/pagewalk (?P<arguments>[^\n]*) <<END\n(?P<typed>.*?)^END\n(?P<printed>.*?)^```",
    re.DOTALL | re.MULTILINE,
)


def test_the_session_of_the_readme_prints_what_the_readme_shows() -> None:
    session = SESSION.search(README)
    assert session is not None
    result = CliRunner().invoke(app, session["arguments"].split(), input=session["typed"])
    assert (result.exit_code, result.output) == (0, session["printed"])
