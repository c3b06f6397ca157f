"""What surrounds the API: headers, origins, limits, metrics, its description, one process for each folder."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient

import app as app_package
from app.main import create_app
from app.middleware import CONTENT_SECURITY_POLICY
from app.problems import KINDS
from app.settings import Settings
from app.store.journal import JournalInUse

if TYPE_CHECKING:
    from collections.abc import Iterator

API = "/api/v1"
MACHINES = f"{API}/machines"


def operations(client: TestClient) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of everything the API's description tells."""
    for path, methods in client.get(f"{API}/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            if path.startswith(API) or path in ("/healthz", "/metrics"):
                yield method, path, operation


@pytest.mark.parametrize("path", ["/healthz", "/nothing", f"{MACHINES}/nobody", "/metrics"])
def test_every_answer_has_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"


def test_the_policy_lets_no_inline_or_evaluated_code_run() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "default-src 'self'" in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"sec-fetch-site": "same-origin", "origin": "http://testserver"}, 201),
        ({"sec-fetch-site": "none"}, 201),
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, 403),
        ({"sec-fetch-site": "same-site", "origin": "http://other.testserver"}, 403),
        ({"origin": "http://testserver"}, 201),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "https://friend.example"}, 201),
    ],
)
def test_another_sites_page_may_not_post_here(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    settings = Settings(data=tmp_path, trusted_origins=frozenset({"https://friend.example"}))
    with TestClient(create_app(settings)) as client:
        assert client.post(MACHINES, json={"preset": "16mb"}, headers=headers).status_code == status


def test_another_sites_link_may_be_followed(client: TestClient) -> None:
    assert client.get("/healthz", headers={"sec-fetch-site": "cross-site"}).status_code == 200


def test_health_tells_the_engine(client: TestClient) -> None:
    assert client.get("/healthz").json()["status"] == "ok"


def test_metrics_are_labelled_by_route_and_not_by_machine(client: TestClient) -> None:
    machine_id = client.post(MACHINES, json={"preset": "16mb"}).json()["id"]
    client.post(f"{MACHINES}/{machine_id}/commands", json=[{"op": "trim"}, {"op": "trim"}])
    client.get("/no/such/path")
    text = client.get("/metrics").text
    labels = 'method="POST",route="/api/v1/machines/{machine_id}/commands",status="200"'
    assert f"pagewalk_request_seconds_count{{{labels}}} 1.0" in text
    assert "pagewalk_commands_total 2.0" in text
    assert "pagewalk_live_machines 1.0" in text
    assert 'route="(none)",status="404"' in text
    assert machine_id not in text


def test_a_method_that_is_not_there_tells_those_that_are(client: TestClient) -> None:
    answer = client.put(f"{MACHINES}/nobody/commands", json=[])
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get_list("allow") == ["GET, POST"]


def test_a_second_server_on_the_same_data_refuses_to_start(client: TestClient, settings: Settings) -> None:
    assert client.get("/healthz").status_code == 200
    with pytest.raises(JournalInUse), TestClient(create_app(settings)):
        pass


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PAGEWALK_DATA", str(tmp_path / "there"))
    monkeypatch.setenv("PAGEWALK_PORT", "9000")
    settings = Settings()
    assert (settings.data, settings.port, settings.durability) == (tmp_path / "there", 9000, "strict")


def test_no_layer_is_a_base_http_middleware() -> None:
    folder = Path(app_package.__file__ or "").parent
    for path in folder.rglob("*.py"):
        words = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        assert "BaseHTTPMiddleware" not in words | names, path


# --- the description -------------------------------------------------------------------------------------------------


def test_every_operation_is_described_with_an_example(client: TestClient) -> None:
    told = list(operations(client))
    assert len(told) == 18
    for method, path, operation in told:
        assert operation.get("description"), (method, path)
        success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
        assert "204" in operation["responses"] or any("example" in kind for kind in success["content"].values()), path
        if "requestBody" in operation:
            assert operation["requestBody"]["content"]["application/json"]["examples"], (method, path)


def test_every_example_of_a_body_is_accepted(client: TestClient) -> None:
    sent = 0
    for method, path, operation in operations(client):
        bodies = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("examples", {})
        for example in bodies.values():
            machine_id = client.post(MACHINES, json={"preset": "16mb"}).json()["id"]
            answer = client.request(method, path.format(machine_id=machine_id), json=example["value"])
            assert answer.is_success, answer.text
            sent += 1
    assert sent == 13


def test_every_reference_in_the_description_leads_somewhere(client: TestClient) -> None:
    document = client.get(f"{API}/openapi.json").json()
    names = set(document["components"]["schemas"])
    found = set(references(document))
    assert {"Malloc", "Mmap", "Outcome", "Problem", "MachineBody", "ProgrammeBody", "Commands"} <= names
    assert {reference.removeprefix("#/components/schemas/") for reference in found} <= names


def references(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(document, list):
        for item in document:
            yield from references(item)


def test_the_playground_is_served_beside_the_api(client: TestClient) -> None:
    assert client.get("/").headers["content-type"] == "text/html; charset=utf-8"
    assert client.get("/static/vendor/htmx-4.0.1.min.js").status_code == 200


# --- the short way ---------------------------------------------------------------------------------------------------

BY_THE_LAYERS = {"sec-fetch-site": "none"}
"""A header that a browser sends: with it, a request passes through every layer and the router."""


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'[{"op": "malloc", "size": 100, "as": "a"}]', 200),
        (b'{"commands": [{"op": "trim"}], "version": 0}', 200),
        (b'{"commands": [{"op": "trim"}], "version": 7}', 409),
        (b"[]", 200),
        (b"[{", 400),
        (b'[{"op": "free", "ptr": "nowhere"}]', 422),
        (b'[{"op": "fly"}]', 422),
        (b"[" + b",".join([b'{"op": "trim"}'] * 101) + b"]", 413),
        (b" " * 100_001, 413),
    ],
)
def test_the_short_way_answers_as_the_layers_and_the_router_do(client: TestClient, body: bytes, status: int) -> None:
    answers = []
    for headers in ({}, BY_THE_LAYERS):
        machine_id = client.post(MACHINES, json={"preset": "16mb"}).json()["id"]
        answers.append(client.post(f"{MACHINES}/{machine_id}/commands", content=body, headers=headers))
    short, layered = answers
    assert (short.status_code, short.content) == (status, layered.content)
    assert dict(short.headers) == dict(layered.headers)


def test_the_short_way_knows_what_is_not_there(client: TestClient) -> None:
    answers = [client.post(f"{MACHINES}/nobody/commands", json=[], headers=headers) for headers in ({}, BY_THE_LAYERS)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content


def test_a_body_in_pieces_of_unknown_length_is_limited_too(client: TestClient) -> None:
    machine_id = client.post(MACHINES, json={"preset": "16mb"}).json()["id"]
    path = f"{MACHINES}/{machine_id}/commands"
    assert client.post(path, content=iter([b'[{"op": ', b'"trim"}]'])).json()["version"] == 1
    refused = client.post(path, content=iter([b" " * 60_000] * 2))
    assert (refused.status_code, refused.json()["type"]) == (413, "/problems#body-too-large")


def test_the_short_way_is_guarded_against_other_sites(client: TestClient) -> None:
    machine_id = client.post(MACHINES, json={"preset": "16mb"}).json()["id"]
    answer = client.post(
        f"{MACHINES}/{machine_id}/commands", json=[{"op": "trim"}], headers={"origin": "http://evil.example"}
    )
    assert answer.status_code == 403


def test_the_document_of_the_settings_names_each_with_its_default() -> None:
    text = (Path(__file__).parents[2] / "docs" / "server.md").read_text()
    told = dict(re.findall(r"^\| `PAGEWALK_(\w+)` \| `([^`]*)` \|", text, re.MULTILINE))
    real = {name.upper(): field.default for name, field in Settings.model_fields.items()}
    assert told == {name: "[]" if value == frozenset() else str(value) for name, value in real.items()}


# --- problems --------------------------------------------------------------------------------------------------------


def kinds_in_the_code() -> set[str]:
    """The second argument of every ProblemError that the application makes."""
    found = set()
    for path in Path(app_package.__file__ or "").parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ProblemError":
                kind = node.args[1]
                found |= {str(kind.value)} if isinstance(kind, ast.Constant) else set()
    return found


def test_every_kind_of_problem_is_explained_where_its_type_leads(client: TestClient) -> None:
    assert kinds_in_the_code() == set(KINDS)
    for language in ("en", "zh-Hans"):
        page = client.get(f"/problems?lang={language}")
        assert page.status_code == 200
        assert set(re.findall(r'<div id="([a-z-]+)"', page.text)) == set(KINDS)


@pytest.mark.parametrize(
    ("method", "path", "body", "kind"),
    [
        ("POST", MACHINES, b"{", "not-json"),
        ("POST", MACHINES, b'{"preset": "huge"}', "config"),
        ("GET", f"{MACHINES}/nobody", b"", "unknown-machine"),
        ("POST", f"{MACHINES}/nobody/commands", b'[{"op": "fly"}]', "body"),
        ("GET", f"{MACHINES}/nobody/commands?first=-1", b"", "parameter"),
        ("POST", MACHINES, b" " * 100_001, "body-too-large"),
    ],
)
def test_an_error_has_the_type_and_the_status_of_its_kind(
    client: TestClient, method: str, path: str, body: bytes, kind: str
) -> None:
    answer = client.request(method, path, content=body)
    assert (answer.json()["type"], answer.status_code) == (f"/problems#{kind}", KINDS[kind])
    assert answer.headers["content-type"] == "application/problem+json"
