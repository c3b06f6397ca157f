"""The policy lab over REST, and its page as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.api.policies import EXAMPLES

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

API = "/api/v1/policies"
BELADY = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]


def test_the_counts_of_every_policy_come_in_one_answer(client: TestClient) -> None:
    answer = client.post(API, json={"references": BELADY, "frames": 3})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["references"], body["distinct"], body["frames"]) == (12, 5, 3)
    assert [(run["policy"], run["hits"], run["misses"], run["evictions"]) for run in body["runs"]] == [
        ("fifo", 3, 9, 6),
        ("lru", 2, 10, 7),
        ("clock", 3, 9, 6),
        ("linux", 2, 10, 7),
        ("opt", 5, 7, 4),
    ]
    assert body["curves"] == []
    assert body["runs"][0]["steps"] == []


def test_belady_s_anomaly_is_named(client: TestClient) -> None:
    body = client.post(API, json=EXAMPLES["belady"]["value"]).json()
    assert body["curves"] == [{"policy": "fifo", "misses": [12, 12, 9, 10, 5], "anomalies": [4]}]


def test_steps_tell_the_frames_and_what_the_policy_knows(client: TestClient) -> None:
    asked = {"trace": "1\n2 w\n3\n", "frames": 2, "policies": ["clock"], "steps": 2, "first": 1}
    (run,) = client.post(API, json=asked).json()["runs"]
    assert run["written_back"] == 0
    assert [step["page"] for step in run["steps"]] == [2, 3]
    assert run["steps"][1]["victim"] == 1
    assert run["steps"][1]["frames"][1] == {
        "page": 2,
        "place": 0,
        "referenced": False,
        "accessed": None,
        "active": None,
        "next_use": None,
    }


def test_addresses_are_taken_to_their_pages(client: TestClient) -> None:
    asked = {"trace": "0x08049f20 w\n0x08049f24\n0x0804a000\n", "page_shift": 12, "frames": 1, "policies": ["lru"]}
    body = client.post(API, json=asked).json()
    assert (body["distinct"], body["runs"][0]["misses"], body["runs"][0]["written_back"]) == (2, 2, 1)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_of_the_description_works(client: TestClient, name: str) -> None:
    assert client.post(API, json=EXAMPLES[name]["value"]).status_code == 200


@pytest.mark.parametrize(
    ("asked", "field", "detail"),
    [
        ({"frames": 3}, "references", "give one of references, trace and pattern"),
        ({"frames": 3, "references": [1], "trace": "1"}, "references", "give one of references, trace and pattern"),
        ({"frames": 0, "references": [1]}, "frames", "frames is 0; it can be 1 to 65536"),
        ({"frames": 3, "references": []}, "references", "these are 0 references; it can be 1 to 100,000"),
        ({"frames": 3, "references": [-1]}, "references", "references is -1; it can be 0 to 18446744073709551615"),
        ({"frames": 3, "trace": "1\nx"}, "trace", "line 2: 'x' is no number; write 123 or 0x7b"),
        ({"frames": 3, "references": [1], "policies": []}, "policies", "choose at least one of fifo, lru, clock"),
        ({"frames": 3, "references": [1], "policies": ["mru"]}, "policies", "'mru' is not a valid PolicyName"),
        ({"frames": 3, "pattern": {"kind": "knot", "length": 9, "pages": 2}}, "kind", "kind is 'knot'; it can be loop"),
        ({"frames": 3, "pattern": {"kind": "loop", "length": 0, "pages": 2}}, "length", "length is 0; it can be 1 to"),
        ({"frames": 3, "pattern": {"kind": "loop", "length": 9, "pages": 0}}, "pages", "pages is 0; it can be 1 to"),
        ({"frames": "3", "references": [1]}, "frames", "Input should be a valid integer"),
        ({"frames": 3, "references": [1], "depth": 1}, "depth", "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_field(
    client: TestClient, asked: dict[str, Any], field: str, detail: str
) -> None:
    answer = client.post(API, json=asked)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert error["detail"].startswith(detail)


def test_the_page_shows_the_textbooks_string_at_first(client: TestClient) -> None:
    page = client.get("/policies").text
    assert "20 references to 6 pages, in 3 frames" in page
    assert page.count('<table class="frametable">') == 5
    assert "15</td>" in page


def test_a_link_holds_the_whole_question(client: TestClient) -> None:
    page = client.get("/policies?trace=1+2+3+4+1+2+5+1+2+3+4+5&frames=4&policies=fifo").text
    assert page.count('<table class="frametable">') == 1
    assert "Belady&#39;s anomaly: FIFO misses 10 times with 4 frames, and 9 times with 3." in page


def test_a_file_is_taken_instead_of_the_numbers(client: TestClient) -> None:
    lackey = b"==1== Lackey\nI  04016680,3\n S 1ffeffff48,8\n"
    page = client.post(
        "/policies", data={"frames": "2", "kind": "loop", "sent": "1"}, files={"file": ("a", lackey)}
    ).text
    assert "choose at least one of fifo" in page
    form = {"frames": "2", "kind": "loop", "policies": "lru"}
    page = client.post("/policies", data=form, files={"file": ("a", lackey)}).text
    assert "2 references to 2 pages, in 2 frames" in page
    assert "0x4016" in page and "0x1ffefff" in page


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("frames=0", "frames is 0; it can be 1 to 65536"),
        ("frames=x", "frames is &#39;x&#39;; write a whole number"),
        ("trace=one", "line 1: &#39;one&#39; is no number"),
        ("unit=miles", "unit is &#39;miles&#39;; it can be pages or addresses"),
        ("policies=mru", "is not a valid PolicyName"),
        ("kind=knot", "kind is &#39;knot&#39;; it can be"),
    ],
)
def test_a_mistake_in_the_form_is_told_beside_it(client: TestClient, query: str, words: str) -> None:
    answer = client.get(f"/policies?{query}")
    assert answer.status_code == 422
    assert words in answer.text
    assert 'role="alert"' in answer.text


def test_many_frames_are_counted_and_not_drawn(client: TestClient) -> None:
    page = client.get("/policies?kind=zipf&length=100000&pages=8192&frames=4096").text
    assert "The frames are drawn one by one up to 16 of them." in page
    assert "87.8 %" in page
    assert "frametable" not in page.replace("frametable ", "")


def test_a_long_run_is_shown_forty_references_at_a_time(client: TestClient) -> None:
    page = client.get("/policies?kind=loop&length=100&pages=5&frames=4&first=40").text
    assert "references 41 to 80 of 100" in page
    assert 'name="first" value="0">← earlier' in page
    assert 'name="first" value="80">later →' in page
    past = client.get("/policies?kind=loop&length=100&pages=5&frames=4&first=100").text
    assert "There is no reference 101: there are 100." in past
