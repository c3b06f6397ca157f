"""Sessions that leave their machine, and come back as another one that has done the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from app.language import read_program
from app.session_text import machine_of_words, machine_words, session_text
from app.share import LINK_MAXIMUM, ShareError, kept_name, packed, unpacked
from engine.config import PRESETS, ConfigError, MachineConfig

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

API = "/api/v1/machines"
STORY: list[dict[str, Any]] = [
    {"op": "malloc", "size": 100, "as": "a"},
    {"op": "fork", "child": 1},
    {"op": "write", "pid": 1, "ptr": "a+8", "value": 65},
    {"op": "free", "ptr": "a"},
]


def told(client: TestClient, commands: list[dict[str, Any]]) -> str:
    machine: str = client.post(API, json={"preset": "16mb"}).json()["id"]
    assert client.post(f"{API}/{machine}/commands", json=commands).is_success
    return machine


def chain(client: TestClient, machine: str) -> str:
    found: str = client.get(f"{API}/{machine}").json()["chain"]
    return found


def machines_of(client: TestClient) -> int:
    """How many machines are in the server's memory."""
    found = re.search(r"^pagewalk_live_machines (\d+)", client.get("/metrics").text, re.MULTILINE)
    assert found is not None
    return int(found[1].partition(".")[0])


def shared_code(client: TestClient, machine: str) -> str:
    found = re.search(r'value="http://testserver/s/([\w-]+)"', client.get(f"/m/{machine}/share").text)
    assert found is not None
    return found[1]


def opened(client: TestClient, code: str) -> str:
    answer = client.post(f"/s/{code}", follow_redirects=False)
    assert answer.status_code == 303
    return answer.headers["location"].removeprefix("/m/")


def test_a_link_holds_the_whole_session(client: TestClient) -> None:
    machine = told(client, STORY)
    code = shared_code(client, machine)
    assert code.startswith("z")
    assert "@child write a+8 65" in client.get(f"/s/{code}").text
    another = opened(client, code)
    assert another != machine
    assert chain(client, another) == chain(client, machine)


def test_a_long_session_is_kept_under_a_short_link(client: TestClient) -> None:
    commands = [{"op": "malloc", "size": (n * 7919) % 60_000, "as": f"slot_{(n * 104729) % 99991}"} for n in range(100)]
    machine = told(client, commands)
    for n in range(4):
        more = [{**command, "as": f"{command['as']}_{n}"} for command in commands]
        assert client.post(f"{API}/{machine}/commands", json=more).is_success
    code = shared_code(client, machine)
    assert code.startswith("k")
    assert len(code) < 20
    assert code == shared_code(client, machine)
    assert client.get(f"/s/{code}.txt").text.count("malloc") == 500


def test_looking_at_a_link_makes_no_machine(client: TestClient) -> None:
    code = shared_code(client, told(client, STORY))
    live = machines_of(client)
    client.get(f"/s/{code}")
    assert machines_of(client) == live
    document = client.get(f"/s/{code}.json").json()
    assert [command["op"] for command in document["commands"]] == ["malloc", "fork", "write", "free"]
    assert document["config"]["ram_mb"] == 16


def test_a_session_is_told_as_json_text_program_and_c(client: TestClient) -> None:
    machine = told(client, STORY)
    document = client.get(f"/m/{machine}.json").json()
    assert document["outcomes"][0] == {"op": "malloc", "pid": 0, "ret": 0x0804E1A0}
    assert document["chain"] == chain(client, machine)
    lines = client.get(f"/m/{machine}.txt").text.splitlines()
    assert lines[0] == "# machine: 16mb"
    assert lines[1].split() == ["a", "=", "malloc", "100", "0x0804e1a0"]
    program = client.get(f"/m/{machine}.pw")
    assert program.headers["content-disposition"] == 'attachment; filename="session.pw"'
    assert len(read_program(program.text).commands) == 4
    assert "p_a = malloc(100);" in client.get(f"/m/{machine}.c").text


def test_a_session_that_was_stepped_back_is_shared_as_it_stands(client: TestClient) -> None:
    machine = told(client, STORY)
    client.post(f"{API}/{machine}/version", json={"version": 1})
    assert client.get(f"/m/{machine}.txt").text.count("\n") == 2


def test_a_frame_shows_a_session_inside_another_page(client: TestClient) -> None:
    code = shared_code(client, told(client, STORY))
    answer = client.get(f"/embed/{code}", params={"at": "a"})
    assert answer.status_code == 200
    assert "frame-ancestors *" in answer.headers["content-security-policy"]
    assert "<form" not in answer.text.split("Physical memory")[0].split("Translation")[0]
    assert "0x0804e1a0" in answer.text


@pytest.mark.parametrize("path", ["/s/zAAAA", "/s/knone", "/s/x", "/s/z!", "/s/zAAAA.json", "/s/knone.txt"])
def test_a_link_that_holds_nothing_is_said_to(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_machine_that_is_not_there_has_no_session(client: TestClient) -> None:
    for suffix in (".json", ".txt", ".pw", ".c", "/share"):
        assert client.get(f"/m/nobody{suffix}").status_code == 404


def test_a_code_gives_back_its_text() -> None:
    text = session_text(PRESETS["64mb"], read_program("a = malloc 100\nfree a").commands, "A title", "A sentence.")
    assert text == "# A title\n# A sentence.\n# machine: 64mb\na = malloc 100\nfree a\n"
    assert unpacked(packed(text)) == text
    assert kept_name(text) == kept_name(text) != kept_name(text + " ")
    assert len(packed(text)) < LINK_MAXIMUM


@pytest.mark.parametrize("code", ["", "q", "zz", "z" + "A" * 40, packed("a" * 1000)[:-3]])
def test_a_damaged_code_is_refused(code: str) -> None:
    with pytest.raises(ShareError):
        unpacked(code)


def test_a_code_cannot_hold_more_than_a_session_may() -> None:
    with pytest.raises(ShareError, match="cut off, or holds too much"):
        unpacked(packed("#" * (5 << 20)))


def test_a_machine_is_named_by_its_preset_or_by_what_differs() -> None:
    own = MachineConfig(ram_mb=32, swap_mb=64, seed=7, sysctls=(("swappiness", 10),))
    assert machine_words(PRESETS["256mb"]) == "256mb"
    assert machine_of_words(machine_words(own)) == own
    assert machine_words(own).startswith('{"ram_mb":32,"swap_mb":64,"seed":7')
    assert machine_of_words("") == PRESETS["64mb"]


@pytest.mark.parametrize("words", ["huge", "{", '{"ram_mb": 1}', '{"ram": 16}', '{"ram_mb": "x"}'])
def test_a_machine_that_cannot_be_is_refused(words: str) -> None:
    with pytest.raises(ConfigError):
        machine_of_words(words)


# --- the editor, over plain forms ------------------------------------------------------------------------------------


def sent(client: TestClient, machine: str, do: str, program: str) -> str:
    answer = client.post(f"/m/{machine}/program", data={"do": do, "program": program})
    assert answer.status_code in (200, 422)
    return answer.text


def states(page: str) -> list[str]:
    return re.findall(r'<tr class="is-(\w+)"', page)


def test_a_program_is_run_whole_and_line_by_line(client: TestClient) -> None:
    machine = told(client, [])
    program = "# words\na = malloc 100\n\nfree a\n"
    assert states(sent(client, machine, "keep", program)) == ["next", "later"]
    assert states(sent(client, machine, "next", program)) == ["done", "next"]
    assert states(sent(client, machine, "next", program)) == ["done", "done"]
    assert "Every line is done" in sent(client, machine, "next", program)
    assert states(sent(client, machine, "run", program)) == ["done", "done"]
    assert client.get(f"{API}/{machine}").json()["version"] == 2
    sent(client, machine, "here", "b = malloc 8")
    assert client.get(f"{API}/{machine}").json()["version"] == 3


def test_a_line_that_was_stepped_back_over_is_the_next_again(client: TestClient) -> None:
    machine = told(client, [])
    program = "a = malloc 100\nfree a"
    sent(client, machine, "run", program)
    client.post(f"{API}/{machine}/version", json={"version": 1})
    assert states(client.get(f"/m/{machine}?open=program").text) == ["done", "next"]
    sent(client, machine, "next", program)
    assert client.get(f"{API}/{machine}").json()["version"] == 2


def test_nothing_of_a_program_with_a_mistake_is_performed(client: TestClient) -> None:
    machine = told(client, [])
    page = sent(client, machine, "run", "a = malloc 100\nfrea a")
    assert states(page) == ["later", "wrong"]
    assert "&#39;frea&#39; is no command; did you mean free?" in page
    assert client.get(f"{API}/{machine}").json()["version"] == 0


def test_what_comes_before_a_refused_line_is_done(client: TestClient) -> None:
    machine = told(client, [])
    page = sent(client, machine, "run", "a = malloc 100\nwrite b 1\nfree a")
    assert states(page) == ["done", "wrong", "later"]
    assert "names the slot &#39;b&#39;, which holds nothing; slots: a" in page
    assert client.get(f"{API}/{machine}").json()["version"] == 1


def test_children_of_a_program_are_numbered_after_those_of_the_machine(client: TestClient) -> None:
    machine = told(client, STORY)
    program = "fork child\n@child exit\nwait child"
    assert states(sent(client, machine, "here", program)) == ["done", "done", "done"]
    assert client.get(f"{API}/{machine}").json()["processes"][2]["ended"] == {"code": 0, "termsig": 0}


@pytest.mark.parametrize(
    ("pasted", "note", "line"),
    [
        ("malloc(100) = 0x804e1a0\nfree(0x804e1a0) = <void>", "Read as a log: 2 calls", "p0 = malloc 100"),
        ("20000\n1\n2\n1\na 0 512\nf 0\n", "Read as a trace of the malloc lab", "= malloc 512"),
    ],
)
def test_logs_and_traces_become_programs(client: TestClient, pasted: str, note: str, line: str) -> None:
    page = sent(client, told(client, []), "run", pasted)
    assert note in page
    assert line in page
    assert states(page) == ["done", "done"]


def test_a_scenario_brings_its_machine_and_its_first_line(client: TestClient) -> None:
    answer = client.post("/m", data={"scenario": "oom"})
    assert states(answer.text)[:3] == ["done", "next", "later"]
    machine = str(answer.url).rpartition("/")[2]
    assert client.get(f"{API}/{machine}").json()["config"]["ram_mb"] == 16


def test_a_scenario_for_another_machine_offers_to_boot_it(client: TestClient) -> None:
    machine = told(client, [])
    client.post(f"/m/{machine}/program", data={"do": "load", "scenario": "copy-on-write"})
    program = "# x\n# machine: 256mb\na = malloc 1"
    assert "boot it" in sent(client, machine, "keep", program)
    answer = client.post(f"/m/{machine}/program", data={"do": "boot", "program": program})
    assert "256 MB machine" in answer.text


def test_the_terminal_answers_on_the_page(client: TestClient) -> None:
    machine = told(client, STORY)
    page = client.get(f"/m/{machine}", params={"term": "x/4xw a"}).text
    assert 'data-keys="page:804e">0x804e1a0</a>' in page
    stepped = client.post(f"/m/{machine}/do", params={"term": "ps"}, data={"words": "malloc 10"})
    assert stepped.url.params["term"] == "ps"
    assert "COMMAND" in stepped.text


def test_completions_come_with_where_they_go(client: TestClient) -> None:
    found = client.get("/api/v1/completions", params={"line": "free ", "before": "a = malloc 10\nb = malloc 20"}).json()
    assert found == {
        "start": 5,
        "end": 5,
        "candidates": [{"text": "a", "what": "a slot"}, {"text": "b", "what": "a slot"}],
    }


def test_a_program_is_read_over_the_api(client: TestClient) -> None:
    found = client.post("/api/v1/programs", json={"program": "a = malloc 100\nfrea a"}).json()
    assert found["commands"] == [{"pid": 0, "op": "malloc", "size": 100, "as": "a"}]
    assert found["mistakes"][0] | {"message": ""} == {"line": 2, "column": 1, "length": 4, "message": ""}
