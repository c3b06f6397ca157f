"""What a page keeps of a kernel from look to look never shows anything else than looking anew would."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.pages import kept, looking
from app.pages.kept import Kept
from app.pages.machine_parts import machine_page
from app.pages.shown import Shown
from app.scenarios import scenarios
from app.words import catalogues, speaking
from engine.commands import Exit, Fork, Free, Malloc, Mmap, Touch, Write
from engine.config import PRESETS
from engine.outcome import CommandError
from engine.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

ID = "A" * 22
OPENED = ("arena", "processes", "blocks", "pieces", "slabs", "accounts", "step")


def selections(session: Session) -> Iterator[Shown]:
    """Whatever a page may be asked to show, a little of each; most of it at every fifth version."""
    last = max(session.machine.processes)
    yield Shown()
    if session.version % 5:
        return
    yield Shown(pid=last, open=OPENED)
    yield Shown(pid=last, frame=f"{session.machine.kernel.ram.size // 3:#x}", frames="0x100/2")
    for name in list(session.machine.processes[last].slots)[:1]:
        yield Shown(at=name, pid=last, space="0x08048000/1")


def assert_like_anew(session: Session, monkeypatch: pytest.MonkeyPatch, *languages: str) -> None:
    for shown in selections(session):
        for language in languages or ("en",):
            with speaking(catalogues()[language]):
                page = machine_page(session, ID, shown)
                with monkeypatch.context() as anew:
                    anew.setattr(looking, "kept", lambda _: Kept(None))
                    assert page == machine_page(session, ID, shown), (session.version, shown)


@pytest.mark.parametrize("scenario", list(scenarios()))
def test_every_page_of_a_scenario_is_what_looking_anew_shows(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    story = scenarios()[scenario]
    session = Session(replace(story.config, tlb_hits=True))
    for command in story.program.commands[:20]:
        try:
            session.perform(command)
        except CommandError:
            continue
        assert_like_anew(session, monkeypatch)
    for version in (session.version - 1, session.version // 2, session.version):
        session.go_to(version)
        assert_like_anew(session, monkeypatch)


def test_a_page_after_stepping_back_and_going_another_way_shows_that_way(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(PRESETS["64mb"])
    for number in range(280):
        session.perform(Malloc(size=24, as_=f"a{number % 7}"))
    assert_like_anew(session, monkeypatch)
    session.go_to(277)
    assert_like_anew(session, monkeypatch)
    for command in (Mmap(length=8192, as_="m"), Touch(ptr="m", length=8192), Write(ptr="a1", value=1), Free(ptr="a2")):
        session.perform(command)
        assert_like_anew(session, monkeypatch)
    session.go_to(270)
    assert_like_anew(session, monkeypatch)


def test_a_page_shows_the_process_and_speaks_the_language_that_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(PRESETS["64mb"])
    for command in (
        Malloc(size=24, as_="a"),
        Fork(child=1),
        Write(pid=1, ptr="a", value=1),
        Write(pid=0, ptr="a", value=2),
        Write(pid=1, ptr="a", value=3),
        Exit(pid=1),
    ):
        session.perform(command)
        assert_like_anew(session, monkeypatch, *catalogues())


def test_what_is_kept_is_kept_while_the_program_does_without_the_kernel_and_no_longer() -> None:
    session = Session(PRESETS["64mb"])
    session.perform(Malloc(size=24, as_="a"))
    first = kept.kept(session)
    session.perform(Write(ptr="a", value=1))
    session.perform(Free(ptr="a"))
    assert kept.kept(session) is first
    session.perform(Mmap(length=8192, as_="m"))
    mapped = kept.kept(session)
    assert mapped is not first
    session.perform(Touch(ptr="m", length=8192))
    assert kept.kept(session) is not mapped
