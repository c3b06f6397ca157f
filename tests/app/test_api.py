"""The REST API: what it answers, and how it says what was wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.commands import Malloc, Touch, Write
from engine.config import PRESETS
from engine.session import Session

if TYPE_CHECKING:
    from fastapi.testclient import TestClient
    from httpx2 import Response

API = "/api/v1"
MALLOC = {"op": "malloc", "size": 100, "as": "a"}


def made(client: TestClient, **config: Any) -> str:
    answer = client.post(f"{API}/machines", json=config or {"preset": "16mb"})
    assert answer.status_code == 201, answer.text
    machine_id: str = answer.json()["id"]
    return machine_id


def perform(client: TestClient, machine_id: str, *commands: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(f"{API}/machines/{machine_id}/commands", json=commands)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def state(client: TestClient, machine_id: str) -> dict[str, Any]:
    answer = client.get(f"{API}/machines/{machine_id}")
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def faults(answer: Response, status: int) -> list[dict[str, Any]]:
    """The errors of a problem, which must have this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    errors: list[dict[str, Any]] = problem.get("errors", [])
    return errors


# --- machines --------------------------------------------------------------------------------------------------------


def test_a_preset_boots_the_engines_machine(client: TestClient) -> None:
    answer = client.post(f"{API}/machines", json={"preset": "64mb"})
    expected = Session(PRESETS["64mb"])
    machine = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{API}/machines/{machine['id']}"
    assert (machine["version"], machine["commands"], machine["time_ns"]) == (0, 0, expected.machine.time_ns)
    assert (machine["digest"], machine["chain"]) == (expected.machine.digest(), expected.chain)
    assert machine["config"]["ram_mb"] == 64
    assert machine["processes"] == [{"pid": 0, "slots": {}, "ended": None}]


def test_one_may_choose_ram_swap_seed_and_sysctls(client: TestClient) -> None:
    machine_id = made(client, ram_mb=32, swap_mb=8, seed=7, sysctls={"swappiness": 10})
    config = state(client, machine_id)["config"]
    assert (config["ram_mb"], config["swap_mb"], config["seed"], config["sysctls"]) == (32, 8, 7, {"swappiness": 10})


def test_ids_are_never_alike(client: TestClient) -> None:
    assert len({made(client) for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ram_mb": 15}, "ram_mb"),
        ({"swap_mb": -1}, "swap_mb"),
        ({"ram_mb": "64"}, "ram_mb"),
        ({"preset": "3tb"}, "preset"),
        ({"rom_mb": 64}, "rom_mb"),
        ({"sysctls": {"swappiness": "high"}}, "sysctls"),
        ({"sysctls": {"no_such_knob": 1}}, "sysctls"),
        ({"root_fs": "btrfs"}, "root_fs"),
    ],
)
def test_a_machine_that_cannot_be_built_names_the_field(client: TestClient, body: dict[str, Any], field: str) -> None:
    assert [error["field"] for error in faults(client.post(f"{API}/machines", json=body), 422)] == [field]


def test_a_deleted_machine_is_unknown(client: TestClient) -> None:
    machine_id = made(client)
    perform(client, machine_id, MALLOC)
    assert client.delete(f"{API}/machines/{machine_id}").status_code == 204
    assert [error["field"] for error in faults(client.get(f"{API}/machines/{machine_id}"), 404)] == ["machine_id"]
    faults(client.delete(f"{API}/machines/{machine_id}"), 404)


@pytest.mark.parametrize("path", ["", "/views/heap", "/proc/meminfo", "/trace", "/commands"])
def test_every_question_to_an_unknown_machine_is_404(client: TestClient, path: str) -> None:
    assert [error["field"] for error in faults(client.get(f"{API}/machines/nobody{path}"), 404)] == ["machine_id"]


# --- commands --------------------------------------------------------------------------------------------------------


def test_commands_give_the_engines_own_outcomes(client: TestClient) -> None:
    machine_id = made(client)
    session = Session(PRESETS["16mb"])
    expected = session.perform_all(
        [Malloc(size=100, as_="a"), Write(ptr="a+8", value=65), Touch(ptr="a", length=100, access="r")]
    )
    answer = perform(
        client,
        machine_id,
        MALLOC,
        {"op": "write", "ptr": "a+8", "value": 65},
        {"op": "touch", "ptr": "a", "length": 100, "access": "r"},
    )
    assert (answer["version"], answer["chain"], answer["time_ns"]) == (3, session.chain, session.machine.time_ns)
    assert answer["outcomes"][0] == {"op": "malloc", "pid": 0, "ret": expected[0].ret}
    assert answer["outcomes"][2]["pages"] == expected[2].pages
    assert state(client, machine_id)["digest"] == session.machine.digest()
    assert state(client, machine_id)["processes"][0]["slots"] == {"a": expected[0].ret}


def test_an_empty_list_changes_nothing(client: TestClient) -> None:
    machine_id = made(client)
    before = state(client, machine_id)
    assert perform(client, machine_id)["outcomes"] == []
    assert state(client, machine_id) == before


@pytest.mark.parametrize(
    ("command", "field"),
    [
        ({"op": "malloc", "size": -1, "as": "a"}, "size"),
        ({"op": "malloc", "size": 2**32, "as": "a"}, "size"),
        ({"op": "malloc", "size": "100", "as": "a"}, "size"),
        ({"op": "malloc", "size": 1.5, "as": "a"}, "size"),
        ({"op": "malloc", "as": "a"}, "size"),
        ({"op": "malloc", "size": 1, "as": "9"}, "as"),
        ({"op": "malloc", "size": 1, "as": "a", "colour": "red"}, "colour"),
        ({"op": "maloc", "size": 1, "as": "a"}, "op"),
        ({"size": 1}, "op"),
        ({"op": "free", "ptr": "nowhere"}, "ptr"),
        ({"op": "free", "ptr": True}, "ptr"),
        ({"op": "mmap", "as": "m", "length": 1, "flags": ["shaerd"]}, "flags"),
        ({"op": "read", "ptr": "a+b+c"}, "ptr"),
        ({"op": "trim", "pid": 9}, "pid"),
        ({"op": "wait", "child": 9}, "child"),
        ({"op": "file", "file": 1, "path": "/etc/passwd", "size": 1}, "path"),
        (5, "command"),
        ("malloc", "command"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_wrong_command_names_its_index_and_field_and_nothing_is_performed(
    client: TestClient, command: Any, field: str, wrapped: bool
) -> None:
    machine_id = made(client)
    before = state(client, machine_id)
    body: Any = [MALLOC, MALLOC, command]
    answer = client.post(f"{API}/machines/{machine_id}/commands", json={"commands": body} if wrapped else body)
    errors = faults(answer, 422)
    pointer = "/commands/2" if wrapped else "/2"
    assert [(error["index"], error["field"]) for error in errors] == [(2, field)]
    assert errors[0]["pointer"] == (pointer if field == "command" else f"{pointer}/{field}")
    assert "command 2" in answer.json()["detail"]
    assert state(client, machine_id) == before


def test_each_wrong_command_of_a_list_is_told(client: TestClient) -> None:
    body = [{"op": "malloc", "size": -1, "as": "a"}, MALLOC, {"op": "x"}]
    errors = faults(client.post(f"{API}/machines/{made(client)}/commands", json=body), 422)
    assert [(error["index"], error["field"]) for error in errors] == [(0, "size"), (2, "op")]
    assert errors[0]["detail"] == "size is -1; it can be 0 to 4294967295"


def test_a_process_that_has_ended_takes_no_commands(client: TestClient) -> None:
    machine_id = made(client)
    perform(client, machine_id, {"op": "exit", "code": 3})
    answer = client.post(f"{API}/machines/{machine_id}/commands", json=[MALLOC])
    assert [(error["index"], error["field"]) for error in faults(answer, 422)] == [(0, "pid")]
    assert "process 0 has ended" in answer.json()["detail"]
    assert state(client, machine_id)["processes"][0]["ended"] == {"code": 3, "termsig": 0}


@pytest.mark.parametrize("body", [b"", b"{", b"malloc 100", b'[{"op": "malloc\xff"}]', b"[" * 5000])
@pytest.mark.parametrize("path", ["machines", "machines/{}/commands", "machines/{}/version"])
def test_a_body_that_is_no_json_is_a_bad_request(client: TestClient, path: str, body: bytes) -> None:
    answer = client.post(f"{API}/{path.format(made(client))}", content=body)
    assert faults(answer, 400) == []
    assert answer.json()["type"] == "/problems#not-json"


@pytest.mark.parametrize("body", [5, "x", {"command": []}, {"commands": 5}, {"commands": [], "version": -1}])
def test_json_of_another_shape_is_told_by_its_field(client: TestClient, body: Any) -> None:
    assert faults(client.post(f"{API}/machines/{made(client)}/commands", json=body), 422)


def test_too_many_commands_are_refused_before_any_is_performed(client: TestClient) -> None:
    machine_id = made(client)
    perform(client, machine_id, *[{"op": "trim"}] * 100)
    answer = client.post(f"{API}/machines/{machine_id}/commands", json=[{"op": "trim"}] * 101)
    assert [error["field"] for error in faults(answer, 413)] == ["commands"]
    assert state(client, machine_id)["version"] == 100


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(client: TestClient) -> None:
    url = f"{API}/machines/{made(client)}/commands"
    faults(client.post(url, content=b" " * 100_001), 413)
    faults(client.post(url, content=(b" " * 1000 for _ in range(101))), 413)


# --- versions --------------------------------------------------------------------------------------------------------


def test_commands_for_another_version_are_a_conflict(client: TestClient) -> None:
    machine_id = made(client)
    url = f"{API}/machines/{machine_id}/commands"
    assert client.post(url, json={"commands": [MALLOC], "version": 0}).json()["version"] == 1
    answer = client.post(url, json={"commands": [MALLOC], "version": 0})
    assert [error["field"] for error in faults(answer, 409)] == ["version"]
    assert answer.json()["detail"] == "the machine is at version 1, not 0; read it again"
    assert state(client, machine_id)["version"] == 1


def test_stepping_back_and_forward_shows_the_same_machines(client: TestClient) -> None:
    machine_id = made(client)
    seen = [state(client, machine_id)]
    for number in range(3):
        perform(client, machine_id, {"op": "malloc", "size": 5000 << number, "as": f"s{number}"})
        seen.append(state(client, machine_id))
    for version in (2, 0, 3, 1):
        answer = client.post(f"{API}/machines/{machine_id}/version", json={"version": version})
        assert answer.json() == {
            "version": version,
            "commands": 3,
            "time_ns": seen[version]["time_ns"],
            "chain": seen[version]["chain"],
        }
        assert state(client, machine_id) == seen[version] | {"commands": 3}


def test_performing_at_an_earlier_version_begins_another_history_and_keeps_the_old_one(client: TestClient) -> None:
    machine_id = made(client)
    perform(client, machine_id, MALLOC, MALLOC, MALLOC)
    last = state(client, machine_id)
    client.post(f"{API}/machines/{machine_id}/version", json={"version": 1})
    assert perform(client, machine_id, {"op": "trim"})["version"] == 2
    history = client.get(f"{API}/machines/{machine_id}/commands").json()
    assert [command["op"] for command in history["commands"]] == ["malloc", "trim"]
    faults(client.post(f"{API}/machines/{machine_id}/version", json={"version": 3}), 422)
    [branch] = client.get(f"{API}/machines/{machine_id}/branches").json()["branches"]
    assert (branch["number"], branch["parent"], branch["base"], branch["length"]) == (1, 0, 1, 2)
    assert branch["first"]["op"] == "malloc"
    answer = client.post(f"{API}/machines/{machine_id}/branches/1")
    assert (answer.json()["version"], answer.json()["commands"]) == (1, 3)
    client.post(f"{API}/machines/{machine_id}/version", json={"version": 3})
    assert state(client, machine_id) == last


def test_a_branch_that_is_not_there_is_not_found(client: TestClient) -> None:
    machine_id = made(client)
    assert [error["field"] for error in faults(client.post(f"{API}/machines/{machine_id}/branches/1"), 404)] == [
        "number"
    ]
    faults(client.get(f"{API}/machines/nobody/branches"), 404)


def test_a_version_that_never_was_names_the_field(client: TestClient) -> None:
    answer = client.post(f"{API}/machines/{made(client)}/version", json={"version": 1})
    assert [error["field"] for error in faults(answer, 422)] == ["version"]


def test_the_history_is_told_in_pages(client: TestClient) -> None:
    machine_id = made(client)
    performed = perform(client, machine_id, *({"op": "malloc", "size": size, "as": "a"} for size in (10, 20, 30)))
    url = f"{API}/machines/{machine_id}/commands"
    first = client.get(url, params={"limit": 2}).json()
    assert [command["size"] for command in first["commands"]] == [10, 20]
    assert (first["outcomes"], first["next"]) == (performed["outcomes"][:2], 2)
    last = client.get(url, params={"first": first["next"], "limit": 2}).json()
    assert (last["outcomes"], last["next"]) == (performed["outcomes"][2:], None)


# --- looking ---------------------------------------------------------------------------------------------------------


def test_looking_changes_nothing(client: TestClient) -> None:
    machine_id = made(client)
    address = perform(client, machine_id, MALLOC)["outcomes"][0]["ret"]
    before = state(client, machine_id)
    views: list[tuple[str, dict[str, Any]]] = [
        (name, {}) for name in ("machine", "processes", "address_space", "physical_memory", "buddy", "heap", "bins")
    ]
    views += [(name, {}) for name in ("trace_tree", "tlb", "reclaim", "changes")]
    views += [("page_walk", {"address": hex(address)}), ("at", {"address": address, "pid": 0}), ("frame", {"pfn": 300})]
    views += [("at", {"pfn": 300}), ("at", {"slot": 1}), ("at", {"file": "/bin/student", "page": 1})]
    views += [
        ("swap_slot", {"slot": 1}),
        ("file_page", {"file": "/bin/student"}),
        ("page_sharing", {"address": address}),
    ]
    views += [("fault_decisions", {}), ("region_memory", {"pid": 0})]
    for name, parameters in views:
        answer = client.get(f"{API}/machines/{machine_id}/views/{name}", params=parameters)
        assert answer.status_code == 200, (name, answer.text)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() is not None
    assert state(client, machine_id) == before


def test_a_view_is_the_engines_dataclass(client: TestClient) -> None:
    machine_id = made(client)
    address = perform(client, machine_id, MALLOC)["outcomes"][0]["ret"]
    heap = client.get(f"{API}/machines/{machine_id}/views/heap").json()
    assert address - 8 in [chunk["address"] for chunk in heap["chunks"]]


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("views/nothing", 404, "name"),
        ("views/heap?pid=9", 422, "pid"),
        ("views/heap?pid=x", 422, "pid"),
        ("views/heap?colour=red", 422, "colour"),
        ("views/page_walk", 422, "address"),
        ("views/at?pid=0", 422, "address"),
        ("views/at?pfn=9999999", 422, "pfn"),
        ("views/at?pid=0&slot=9999999", 422, "slot"),
        ("views/at?file=/none", 422, "file"),
        ("views/at?file=/bin/student&page=900", 422, "page"),
        ("views/page_walk?address=0xzz", 422, "address"),
        ("proc/nothing", 404, "file"),
        ("proc/maps?pid=9", 404, "pid"),
        ("proc/maps?pid=x", 422, "pid"),
        ("proc/pagemap?pid=9", 404, "pid"),
        ("proc/pagemap?offset=4", 422, "offset"),
        ("proc/kpageflags?length=9", 422, "length"),
        ("proc/kpagecount?length=2000000", 422, "length"),
        ("trace?limit=0", 422, "limit"),
        ("trace?first=-1", 422, "first"),
    ],
)
def test_a_wrong_question_names_the_field(client: TestClient, path: str, status: int, field: str) -> None:
    answer = client.get(f"{API}/machines/{made(client)}/{path}")
    assert [error["field"] for error in faults(answer, status)] == [field]


def test_proc_is_text_as_the_machine_prints_it(client: TestClient) -> None:
    answer = client.get(f"{API}/machines/{made(client)}/proc/maps")
    session = Session(PRESETS["16mb"])
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == session.machine.proc_file("maps")


def test_a_file_of_numbers_is_bytes(client: TestClient) -> None:
    url = f"{API}/machines/{made(client)}/proc/kpageflags"
    answer = client.get(url, params={"offset": 0x1000, "length": 16})
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.content == Session(PRESETS["16mb"]).machine.proc_bytes("kpageflags", 0x1000, 16)


def test_the_files_of_a_process_that_has_ended_are_gone(client: TestClient) -> None:
    machine_id = made(client)
    perform(client, machine_id, {"op": "fork", "child": 1}, {"op": "exit", "pid": 1})
    url = f"{API}/machines/{machine_id}/proc/maps"
    assert client.get(url).status_code == 200
    assert [error["field"] for error in faults(client.get(url, params={"pid": 1}), 404)] == ["pid"]


def test_every_record_but_a_commands_own_has_an_earlier_cause(client: TestClient) -> None:
    machine_id = made(client)
    perform(client, machine_id, MALLOC, {"op": "fill", "ptr": "a", "length": 100, "value": 1})
    records = client.get(f"{API}/machines/{machine_id}/trace", params={"limit": 5000}).json()["records"]
    commands = [record for record in records if record["event"] == "sim:command"]
    assert [record["fields"]["command"]["op"] for record in commands] == ["malloc", "fill"]
    assert [record["cause"] for record in commands] == [-1, -1]
    first = commands[0]["seq"]
    caused = [record for record in records if record["seq"] > first and record["event"] != "sim:command"]
    assert caused
    assert all(first <= record["cause"] < record["seq"] for record in caused)


def test_the_trace_is_told_in_pages(client: TestClient) -> None:
    machine_id = made(client)
    perform(client, machine_id, MALLOC)
    url = f"{API}/machines/{machine_id}/trace"
    whole = client.get(url, params={"limit": 5000}).json()["records"]
    paged, first = [], 0
    while first is not None:
        page = client.get(url, params={"first": first, "limit": 3}).json()
        paged += page["records"]
        first = page["next"]
    assert paged == whole
