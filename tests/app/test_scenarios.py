"""The library of scenarios: each runs on its machine, and shows what it claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from app.export_c import export_c
from app.language import line_of_command
from app.outcome_words import told
from app.scenarios import FIRST, FOLDER, Scenario, name_of, scenarios, themes
from app.words import ENGLISH, catalogues, speaking
from engine.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient

    from engine.outcome import Outcome

OTHER_LANGUAGES: Final = [tag for tag in catalogues() if tag != ENGLISH.tag]
SHOWN: Final[dict[str, list[tuple[str, str]]]] = {
    "first-malloc": [("a = malloc 100", "0x0804e1a0"), ("read a", "65"), ("b = malloc 100", "0x0804e1a0")],
    "tcache-reuse": [
        ("a = malloc 24", "0x0804e1a0"),
        ("c = malloc 24", "0x0804e1e0"),
        ("d = malloc 24", "0x0804e1e0"),
        ("e = malloc 24", "0x0804e1c0"),
        ("f = malloc 20", "0x0804e1a0"),
    ],
    "coalescing": [("a = malloc 2000", "0x0804e1a0"), ("e = malloc 6000", "0x0804e1a0")],
    "fragmentation": [("h = malloc 9000", "0x0806e960"), ("sbrk 0", "0x08091000")],
    "mmap-threshold": [("a = malloc 200000", "0xb7d6a010"), ("b = malloc 200000", "0x0804e1a0")],
    "brk-and-mmap": [
        ("m = malloc 300000", "0xb7d51010"),
        ("c = malloc 1000", "0x0804e980"),
        ("read m", "SIGSEGV MAPERR at 0xb7d51010"),
        ("read a+100", "0"),
    ],
    "double-free-caught": [("free a", "SIGABRT: free(): double free detected in tcache 2")],
    "double-free-not-caught": [
        ("b = malloc 24", "0x0804e1a0"),
        ("c = malloc 24", "0x0804e1a0"),
        ("read c", "66"),
    ],
    "use-after-free": [
        ("read32 a", "0x0000804e"),
        ("read32 a+8", "0x41414141"),
        ("read a+8", "66"),
        ("read b+8", "67"),
    ],
    "overflow-into-size": [
        ("usable b", "28"),
        ("write32 a+28 65", "done"),
        ("usable b", "60"),
        ("d = malloc 60", "0x0804e1c0"),
        ("read c", "68"),
    ],
    "demand-paging": [
        ("pagemap m 16", "----------------"),
        ("pagemap m 16", "P-------P-------"),
        ("pagemap m 16", "PPPPPPPPPPPPPPPP"),
        ("pagemap m 16", "--------PPPPPPPP"),
        ("read m", "0"),
    ],
    "zero-page": [("touch m 16K r", "4 pages")],
    "copy-on-write": [("@child read a", "65"), ("read a", "65"), ("wait child", "exit 0")],
    "shared-mapping": [("read s", "66"), ("read p", "65")],
    "stack-growth": [
        ("stack 200000", "done"),
        ("stack 9000000", "SIGSEGV MAPERR at 0xbf76abc0"),
        ("stack 9000000", "done"),
    ],
    "segv-kinds": [
        ("read 0", "SIGSEGV MAPERR at 0x00000000"),
        ("write m 1", "SIGSEGV ACCERR at 0xb7d99000"),
        ("read m", "SIGSEGV ACCERR at 0xb7d99000"),
        ("read m", "SIGSEGV MAPERR at 0xb7d99000"),
        ("read 0xc0000000", "SIGSEGV MAPERR at 0xc0000000"),
        ("read f+5000", "SIGBUS ADRERR at 0xb7d9a388"),
    ],
    "file-mapping": [("read f", "97"), ("read f", "97"), ("read f", "89"), ("msync g 4K", "0")],
    "split-and-merge": [("a = alloc_pages 4", "0xc2420000"), ("b = alloc_pages 4", "0xc2430000")],
    "kernel-pays": [("mprotect m+4096 4K r", "0"), ("munmap m 256K", "0")],
    "dropped-or-written": [
        ("pagemap r 16", "----------------"),
        ("pagemap w 16", "----------------"),
        ("checktouch w 2M 9", "0 pages differ"),
        ("checktouch a 11M 7", "0 pages differ"),
    ],
    "given-up": [
        ("read a+8192", "7"),
        ("read a", "8"),
        ("read a+8192", "7"),
        ("read a+16384", "0"),
        ("checktouch a+1048576 1M 7", "0 pages differ"),
    ],
    "order-4": [("h = alloc_pages 4", "0x00000000")],
    "swap-in-and-out": [("pagemap a 16", "ssssssssssssssss"), ("read a", "7"), ("checktouch a 4M 7", "0 pages differ")],
    "thrashing": [("touch a 8M r", "2048 pages")],
    "oom": [("wait child2", "killed by SIGKILL"), ("@child checktouch m 1M 5", "0 pages differ")],
}
"""Lines, and what they give, in the order in which they come; other lines may lie between."""


class Played:
    """A scenario on its machine, from beginning to end."""

    def __init__(self, scenario: Scenario) -> None:
        machine = Machine(scenario.config)
        self.lines: list[tuple[str, Outcome]] = []
        self.times: list[int] = []
        for command in scenario.program.commands:
            before = machine.time_ns
            self.lines.append((line_of_command(command), machine.perform(command)))
            self.times.append(machine.time_ns - before)
        machine.check()

    def outcomes(self, line: str) -> list[Outcome]:
        """What each occurrence of a line gave."""
        return [outcome for text, outcome in self.lines if text == line]

    def figures(self, line: str, name: str) -> list[int]:
        """One figure of each occurrence of a line that gives figures."""
        return [outcome.figures[name] for outcome in self.outcomes(line) if outcome.figures is not None]

    def frames(self, line: str) -> list[tuple[int, ...]]:
        """The frames that each occurrence of a pfn line gave."""
        return [outcome.frames for outcome in self.outcomes(line) if outcome.frames is not None]


@pytest.mark.parametrize("name", list(scenarios()))
def test_a_scenario_runs_and_shows_what_it_claims(name: str) -> None:
    played = Played(scenarios()[name])
    left = iter((text, told(outcome)) for text, outcome in played.lines)
    missing = [wanted for wanted in SHOWN[name] if wanted not in left]
    assert missing == []


@pytest.mark.parametrize("name", list(scenarios()))
def test_a_scenario_has_a_title_a_sentence_and_a_theme(name: str) -> None:
    scenario = scenarios()[name]
    assert scenario.title
    assert not scenario.title.endswith(".")
    assert scenario.about.endswith(".")
    assert scenario.theme
    assert export_c(scenario.program.commands, scenario.title).count("int main(void)") == 1


def coalescing(played: Played) -> None:
    assert played.figures("mallinfo", "ordblks") == [3, 2]
    assert played.figures("mallinfo", "arena") == [139264, 139264]


def fragmentation(played: Played) -> None:
    free, top = played.figures("mallinfo", "fordblks")[0], played.figures("mallinfo", "keepcost")[0]
    assert free - top > 9000
    assert top < 9000


def threshold(played: Played) -> None:
    assert played.figures("mallinfo", "hblks") == [0]


def zero_page(played: Played) -> None:
    first, second = played.frames("pfn m 4")
    assert len(set(first)) == 1
    assert second[1:] == first[1:] and second[0] != first[0]
    before, after = played.figures("rss", "Rss")
    assert after - before == 4


def copy_on_write(played: Played) -> None:
    (parent, parent_after), (shared, own) = played.frames("pfn a 1"), played.frames("@child pfn a 1")
    assert parent == parent_after == shared
    assert own != parent
    assert [outcome.minflt for outcome in played.outcomes("@child write a 66")] == [1]


def demand_paging(played: Played) -> None:
    faults = [outcome.minflt for text, outcome in played.lines if text.startswith(("write", "touch"))]
    assert faults == [1, 0, 1, 14]


def file_mapping(played: Played) -> None:
    assert [outcome.majflt for outcome in played.outcomes("read f")] == [1, 0, 0]
    assert [outcome.majflt for outcome in played.outcomes("read f+4096")] == [0]


def order_4(played: Played) -> None:
    assert played.figures("meminfo", "MemFree")[0] * 3 > played.figures("meminfo", "MemTotal")[0] * 0.9
    assert [bool(outcome.ret) for outcome in played.outcomes("i = alloc_pages 4")] == [True]
    assert [outcome.majflt for outcome in played.outcomes("touch m 4M")] == [1024]


def kernel_pays(played: Played) -> None:
    before, grown, after = played.figures("meminfo", "Slab")
    assert (grown - before, after - grown) == (4, 0)


def dropped_or_written(played: Played) -> None:
    assert played.figures("vmstat", "pgsteal_file")[:2] == [0, 1024]
    before, short, _ = played.figures("vmstat", "pgpgout")
    to_swap = 4 * played.figures("vmstat", "pswpout")[1]
    assert 0 < short - before - to_swap <= 2048, "KB written to the file"


def given_up(played: Played) -> None:
    freed = played.figures("vmstat", "pglazyfreed")[0]
    assert 200 < freed < 256


def swapped(played: Played) -> None:
    assert [outcome.majflt for outcome in played.outcomes("read a")] == [1]
    assert played.figures("vmstat", "pswpout")[0] > 500


def thrashing(played: Played) -> None:
    turns = [outcome.majflt or 0 for text, outcome in played.lines if text in ("touch a 8M r", "touch b 8M r")]
    assert min(turns) > 200
    quick = played.times[[text for text, _ in played.lines].index("touch a2 1M r")]
    slow = played.times[[text for text, _ in played.lines].index("touch a 8M r")]
    assert slow / 8 > quick * 100


def oom(played: Played) -> None:
    small, big = played.outcomes("@child oomscore")[0].ret or 0, played.outcomes("@child2 oomscore")[0].ret or 0
    assert big > small
    assert played.outcomes("@child2 touch m 64M")[0].ended is not None


CLAIMS: Final[list[tuple[str, Callable[[Played], None]]]] = [
    ("coalescing", coalescing),
    ("fragmentation", fragmentation),
    ("mmap-threshold", threshold),
    ("zero-page", zero_page),
    ("copy-on-write", copy_on_write),
    ("demand-paging", demand_paging),
    ("file-mapping", file_mapping),
    ("order-4", order_4),
    ("kernel-pays", kernel_pays),
    ("dropped-or-written", dropped_or_written),
    ("given-up", given_up),
    ("swap-in-and-out", swapped),
    ("thrashing", thrashing),
    ("oom", oom),
]


@pytest.mark.parametrize(("name", "claim"), CLAIMS, ids=[name for name, _ in CLAIMS])
def test_the_figures_bear_the_scenario_out(name: str, claim: Callable[[Played], None]) -> None:
    claim(Played(scenarios()[name]))


def test_the_library_is_in_order_of_its_themes() -> None:
    assert list(themes()) == ["the allocator", "mistakes", "faults", "files", "physical memory", "reclaim"]
    assert next(iter(scenarios())) == FIRST
    assert sum(map(len, themes().values())) == len(scenarios()) == len(SHOWN)


def test_the_api_lists_the_scenarios(client: TestClient) -> None:
    listed: list[dict[str, Any]] = client.get("/api/v1/scenarios").json()["scenarios"]
    assert [each["name"] for each in listed] == list(scenarios())
    assert listed[0]["title"] == "A first malloc, told"
    assert listed[0]["commands"][0] == {"pid": 0, "op": "malloc", "size": 100, "as": "a"}


def test_a_machine_is_made_from_a_scenario(client: TestClient) -> None:
    answer = client.post("/api/v1/machines", json={"scenario": "use-after-free"})
    assert answer.status_code == 201
    machine = answer.json()
    assert (machine["version"], machine["commands"]) == (10, 10)
    assert machine["processes"][0]["slots"] == {"a": 0x0804E1A0, "b": 0x0804E1A0}


@pytest.mark.parametrize("body", [{"scenario": "none"}, {"scenario": "oom", "preset": "64mb"}])
def test_a_scenario_that_is_not_there_or_not_alone_is_refused(client: TestClient, body: dict[str, str]) -> None:
    answer = client.post("/api/v1/machines", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "scenario"


@pytest.mark.parametrize("tag", OTHER_LANGUAGES)
def test_another_language_tells_the_same_programs(tag: str) -> None:
    assert sorted(path.name for path in (FOLDER / tag).iterdir()) == sorted(path.name for path in FOLDER.glob("*.pw"))
    with speaking(catalogues()[tag]):
        told = scenarios()
    for name, original in scenarios().items():
        assert told[name].program.commands == original.program.commands, name
        assert told[name].config == original.config
        assert told[name].title != original.title
        assert comments(told[name].text) == comments(original.text), f"{name}: a comment at each line that has one"


@pytest.mark.parametrize("tag", OTHER_LANGUAGES)
def test_a_scenario_is_known_in_each_language(tag: str) -> None:
    with speaking(catalogues()[tag]):
        text = scenarios()[FIRST].text
    assert text != scenarios()[FIRST].text
    assert name_of(text) == name_of(scenarios()[FIRST].text) == FIRST
    assert name_of("a = malloc 100") == ""


def comments(text: str) -> list[bool]:
    """Of each line, whether it has one."""
    return ["#" in line for line in text.split("\n")]
