"""The policies of the lab, against textbooks, against each other, and each against its fast form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, strategies as st

from engine.policies import POLICIES, PolicyName, References, Run, miss_curve, simulate

if TYPE_CHECKING:
    from engine.policies import Policy

BELADY: Final = References([1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5])
"""Belady, Nelson and Shedler, 1969."""
SILBERSCHATZ: Final = References([7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1])
"""Operating System Concepts, the chapter on virtual memory: 15 faults by FIFO, 12 by LRU, 9 by OPT."""

strings = st.lists(st.integers(0, 11), max_size=80)
sparse = st.lists(st.sampled_from([0, 7, 1 << 20, (1 << 20) + 1, 1 << 52, 99, 100, 3]), max_size=60)
frames_of = st.integers(1, 12)


def by_the_book(policy: PolicyName, references: References, frames: int) -> Run:
    """The class alone, told of each reference."""
    kind: Policy = POLICIES[policy].kind(references, frames)
    resident: set[int] = set()
    victims, misses = [], 0
    for page in references.pages:
        if page in resident:
            kind.use(page)
            continue
        misses += 1
        if len(resident) == frames:
            victims.append(kind.evict())
            resident.remove(victims[-1])
        kind.load(page)
        resident.add(page)
    return Run(policy, frames, misses, references, victims)


@pytest.mark.parametrize(("policy", "faults"), [("fifo", 15), ("lru", 12), ("opt", 9)])
def test_the_textbooks_string_faults_as_often_as_the_textbook_says(policy: str, faults: int) -> None:
    run = simulate(PolicyName(policy), SILBERSCHATZ, 3)
    assert (run.misses, run.hits, run.evictions) == (faults, 20 - faults, faults - 3)


def test_fifo_misses_more_with_four_frames_than_with_three() -> None:
    fifo, lru, opt = miss_curve((PolicyName.FIFO, PolicyName.LRU, PolicyName.OPT), BELADY, 5)
    assert fifo.misses == (12, 12, 9, 10, 5)
    assert fifo.anomalies == (4,)
    assert lru.misses == (12, 12, 10, 8, 5)
    assert opt.misses == (12, 9, 7, 6, 5)
    assert lru.anomalies == opt.anomalies == ()


def test_clock_passes_over_what_was_used_and_takes_the_first_that_was_not() -> None:
    run = simulate(PolicyName.CLOCK, References([1, 2, 3, 4, 2, 5, 2]), 3)
    assert run.victims == [1, 3]
    table = [
        [slot and (slot.kept.page, slot.kept.referenced, slot.place) for slot in step.frames] for step in run.steps()
    ]
    assert table[2] == [(1, True, 0), (2, True, 1), (3, True, 2)]
    assert table[3] == [(4, True, 2), (2, False, 0), (3, False, 1)]
    assert table[4] == [(4, True, 2), (2, True, 0), (3, False, 1)]
    assert table[5] == [(4, True, 0), (2, False, 1), (5, True, 2)]


def test_a_loop_one_page_longer_than_memory_is_the_worst_for_lru_and_no_trouble_for_opt() -> None:
    references = References([number % 5 for number in range(40)])
    assert simulate(PolicyName.LRU, references, 4).hits == 0
    assert simulate(PolicyName.FIFO, references, 4).hits == 0
    assert simulate(PolicyName.OPT, references, 4).misses == 4 + (40 - 4) // 4


def test_linux_gives_a_page_used_twice_a_place_on_the_active_list() -> None:
    run = simulate(PolicyName.LINUX, References([1, 2, 3, 4, 2, 5]), 3)
    last = list(run.steps())[-1]
    kept = {slot.kept.page: slot.kept for slot in last.frames if slot is not None}
    # At the 4 every page was accessed: each is kept once, and 1, the first to be looked at again, goes. At the 5, 2 was used
    # since: it becomes active. 3 was not, and goes.
    assert run.victims == [1, 3]
    assert kept[2].active
    assert not kept[4].active


def test_linux_makes_a_page_active_that_comes_back_too_soon() -> None:
    run = simulate(PolicyName.LINUX, References([1, 2, 3, 4, 5, 2, 3, 6, 4]), 4)
    # At the 6, 2 and 3 become active, and 4 goes, when the age is 3. Room for it is made by the 5, which makes the age 5:
    # a distance of 2, and the active list is as long.
    assert run.victims == [1, 4, 5]
    step = list(run.steps())[-1]
    back = step.frames[step.frame]
    assert not step.hit
    assert back is not None and back.kept.active


def test_linux_keeps_what_is_used_twice_through_a_scan_and_lru_does_not() -> None:
    hot = list(range(6))
    pages = [page for turn in range(20) for page in (*hot, *hot, *range(100 + turn * 6, 106 + turn * 6))]
    lru, linux = (simulate(policy, References(pages), 8).misses for policy in (PolicyName.LRU, PolicyName.LINUX))
    assert lru == 20 * 12
    assert linux < lru * 3 // 4


@given(pages=strings, frames=frames_of, policy=st.sampled_from(PolicyName))
def test_what_is_counted_fast_is_what_the_policy_does(pages: list[int], frames: int, policy: PolicyName) -> None:
    references = References(pages)
    assert simulate(policy, references, frames) == by_the_book(policy, references, frames)


@given(pages=sparse, frames=frames_of, policy=st.sampled_from(PolicyName))
def test_pages_of_any_number_are_told_apart(pages: list[int], frames: int, policy: PolicyName) -> None:
    references = References(pages)
    assert simulate(policy, references, frames) == by_the_book(policy, references, frames)


@given(pages=strings, frames=frames_of, policy=st.sampled_from(PolicyName))
def test_the_frame_table_agrees_with_the_counts(pages: list[int], frames: int, policy: PolicyName) -> None:
    run = simulate(policy, References(pages), frames)
    steps = list(run.steps())
    assert [step.page for step in steps] == pages
    assert sum(step.hit for step in steps) == run.hits
    assert [step.victim for step in steps if step.victim is not None] == run.victims
    for step in steps:
        slot = step.frames[step.frame]
        assert slot is not None and slot.kept.page == step.page
        held = [slot.kept.page for slot in step.frames if slot is not None]
        assert len(set(held)) == len(held) == min(frames, len(set(pages[: step.number + 1])))
        assert sorted(slot.place for slot in step.frames if slot is not None) == list(range(len(held)))


@given(pages=strings, policy=st.sampled_from([PolicyName.LRU, PolicyName.OPT]))
def test_more_frames_never_miss_more_under_a_stack_policy(pages: list[int], policy: PolicyName) -> None:
    (curve,) = miss_curve([policy], References(pages), 12)
    assert curve.anomalies == ()
    assert list(curve.misses) == sorted(curve.misses, reverse=True)


@given(pages=strings, frames=frames_of)
def test_what_lru_keeps_is_within_what_it_keeps_with_one_frame_more(pages: list[int], frames: int) -> None:
    fewer, more = (simulate(PolicyName.LRU, References(pages), number).steps() for number in (frames, frames + 1))
    for few, many in zip(fewer, more, strict=True):
        assert {slot.kept.page for slot in few.frames if slot} <= {slot.kept.page for slot in many.frames if slot}


@given(pages=strings, frames=frames_of, policy=st.sampled_from(PolicyName))
def test_nobody_misses_less_than_opt_or_less_than_once_a_page(
    pages: list[int], frames: int, policy: PolicyName
) -> None:
    references = References(pages)
    best = simulate(PolicyName.OPT, references, frames).misses
    assert len(set(pages)) <= best <= simulate(policy, references, frames).misses <= len(pages)


def test_only_dirty_pages_are_written_back() -> None:
    run = simulate(PolicyName.FIFO, References([1, 2, 3, 1, 2]), 2)
    assert run.victims == [1, 2, 3]
    assert run.written_back(bytes(5)) == 0
    assert run.written_back(bytes([1, 0, 0, 0, 0])) == 1
    assert run.written_back(bytes([1, 1, 1, 1, 1])) == 3
    # Read again after it was written back, 1 is clean when it goes a second time.
    again = simulate(PolicyName.FIFO, References([1, 2, 3, 1, 2, 3]), 2)
    assert again.victims == [1, 2, 3, 1]
    assert again.written_back(bytes([1, 0, 0, 0, 0, 0])) == 1


def test_nothing_happens_where_nothing_is_asked() -> None:
    for policy in PolicyName:
        run = simulate(policy, References([]), 3)
        assert (run.hits, run.misses, run.victims, list(run.steps())) == (0, 0, [], [])


def test_no_frames_and_pages_below_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="frames is 0; it can be 1 or more"):
        simulate(PolicyName.LRU, References([1]), 0)
    with pytest.raises(ValueError, match="-1 is no page"):
        References([1, -1])
