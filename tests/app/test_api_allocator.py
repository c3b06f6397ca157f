"""The allocator's views over REST: by slot or address, with events and commands by name, and with wrong questions told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

API = "/api/v1/machines"
OVERFLOW = (
    {"op": "malloc", "size": 24, "as": "a"},
    {"op": "malloc", "size": 24, "as": "b"},
    {"op": "write32", "ptr": "a+28", "value": 9},
    {"op": "free", "ptr": "b"},
)


def performed(client: TestClient, *commands: dict[str, Any]) -> str:
    machine_id: str = client.post(API, json={"preset": "16mb"}).json()["id"]
    answer = client.post(f"{API}/{machine_id}/commands", json=list(commands))
    assert answer.status_code == 200, answer.text
    return machine_id


def view(client: TestClient, machine_id: str, name: str, **parameters: Any) -> Any:
    answer = client.get(f"{API}/{machine_id}/views/{name}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_chunk_may_be_asked_for_by_slot_place_or_address(client: TestClient) -> None:
    machine_id = performed(client, *OVERFLOW[:2])
    by_slot = view(client, machine_id, "chunk", address="b")
    assert (by_slot["asked"], by_slot["usable"], by_slot["size"]) == (24, 28, 32)
    assert [word["field"] for word in by_slot["words"]] == ["prev_size", "size"]
    mem = by_slot["mem"]
    assert view(client, machine_id, "chunk", address="a+32") == by_slot
    assert view(client, machine_id, "chunk", address=hex(mem)) == by_slot
    assert view(client, machine_id, "chunk", address=str(mem), pid=0) == by_slot


def test_the_dry_run_of_free_tells_its_events_by_name(client: TestClient) -> None:
    machine_id = performed(client, *OVERFLOW[:2])
    told = view(client, machine_id, "would_free", pointer="a")
    assert told["steps"] == [{"name": "sim:tcache_put", "event": {"bin": 1, "size": 32}}]
    assert told["aborts_with"] is None
    assert client.get(f"{API}/{machine_id}").json()["version"] == 2


def test_damage_is_told_with_the_command_that_did_it(client: TestClient) -> None:
    machine_id = performed(client, *OVERFLOW)
    told = view(client, machine_id, "damage")
    assert (told["message"], told["mistake"]) == ("free(): invalid size", "overflow")
    assert told["at"] == {"version": 4, "command": {"pid": 0, "op": "free", "ptr": "b"}}
    assert told["words"][0]["by"]["command"] == {"pid": 0, "op": "write32", "ptr": "a+28", "value": 9}


def test_where_nothing_went_wrong_there_is_no_story(client: TestClient) -> None:
    assert view(client, performed(client, OVERFLOW[0]), "damage") is None


def test_the_arena_and_the_leaks_are_told(client: TestClient) -> None:
    machine_id = performed(client, OVERFLOW[0], {"op": "malloc", "size": 50, "as": "a"})
    assert view(client, machine_id, "leaks")["blocks"][0]["asked"] == 24
    arena = view(client, machine_id, "arena")
    assert arena["blocks"] == {"count": 2, "asked": 74, "chunk_bytes": 96, "fragmentation": 0.2292}
    assert arena["mallinfo"]["arena"] == arena["system_mem"]


def test_commands_in_views_are_written_as_they_are_sent(client: TestClient) -> None:
    machine_id = performed(client, OVERFLOW[0])
    assert view(client, machine_id, "trace_tree")["command"] == {"pid": 0, "op": "malloc", "size": 24, "as": "a"}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("chunk", "address"),
        ("chunk?address=zz", "address"),
        ("chunk?address=a%2B%2B4", "address"),
        ("chunk?address=-1", "address"),
        ("would_free", "pointer"),
        ("would_free?pointer=zz", "pointer"),
        ("would_free?pointer=a&pid=5", "pid"),
        ("damage?pid=5", "pid"),
        ("damage?pointer=a", "pointer"),
        ("leaks?pid=x", "pid"),
    ],
)
def test_a_wrong_question_names_the_field(client: TestClient, path: str, field: str) -> None:
    answer = client.get(f"{API}/{performed(client, OVERFLOW[0])}/views/{path}")
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_process_that_has_ended_frees_nothing(client: TestClient) -> None:
    machine_id = performed(client, OVERFLOW[0], {"op": "exit", "code": 0})
    answer = client.get(f"{API}/{machine_id}/views/would_free?pointer=a")
    assert [error["field"] for error in answer.json()["errors"]] == ["pid"]


def test_the_description_lists_every_view_and_parameter(client: TestClient) -> None:
    path = client.get("/api/v1/openapi.json").json()["paths"]["/api/v1/machines/{machine_id}/views/{name}"]["get"]
    parameters = {parameter["name"]: parameter for parameter in path["parameters"]}
    assert {"chunk", "arena", "leaks", "would_free", "damage"} <= set(parameters["name"]["schema"]["enum"])
    assert {"pid", "address", "pfn", "pointer"} <= set(parameters)
