"""A server killed in the middle of its work has lost nothing that it had acknowledged."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from app.command_json import command_from_json
from engine.config import PRESETS
from engine.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

API = "/api/v1/machines"
MACHINES = 3
ACKNOWLEDGED_BEFORE_THE_KILL = 90
SECONDS = 60
"""Long enough for a server to start; only a failure waits so long."""


@contextmanager
def server(data: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server process, and its port. It is given a socket that already listens: requests wait until it is up."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        arguments = ["--factory", "app.main:create_app", "--fd", str(listener.fileno()), "--log-level", "warning"]
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", *arguments],
            pass_fds=[listener.fileno()],
            env={**os.environ, "PAGEWALK_DATA": str(data)},
        )
    # Only the server holds the socket now: when it dies, whoever connects is refused.
    try:
        yield port, process
    finally:
        process.kill()
        process.wait(SECONDS)


def ask(port: int, method: str, path: str, body: Any = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        document = json.loads(answer.read())
        assert answer.status < 300, document
        return document
    finally:
        connection.close()


class Student(threading.Thread):
    """Posts one programme after the other, and remembers what was acknowledged, until the server is gone."""

    def __init__(self, port: int, machine_id: str, enough: threading.Semaphore) -> None:
        super().__init__()
        self.port = port
        self.machine_id = machine_id
        self.enough = enough
        self.acknowledged: list[tuple[int, str]] = []
        self.refused: list[AssertionError] = []

    def run(self) -> None:
        number = 0
        while True:
            number += 1
            programme = [
                {"op": "malloc", "size": 64 * (number % 40 + 1), "as": f"s{number % 7}"},
                {"op": "fill", "ptr": f"s{number % 7}", "length": 60, "value": number % 256},
            ]
            try:
                answer = ask(self.port, "POST", f"{API}/{self.machine_id}/commands", programme)
            except (OSError, http.client.HTTPException, ValueError):
                return
            except AssertionError as error:
                self.refused.append(error)
                return
            self.acknowledged.append((answer["version"], answer["chain"]))
            self.enough.release()


@pytest.mark.slow
def test_after_kill_nine_every_acknowledged_version_is_there_and_is_the_same_machine(tmp_path: Path) -> None:
    enough = threading.Semaphore(0)
    with server(tmp_path) as (port, process):
        ids = [ask(port, "POST", API, {"preset": "16mb"})["id"] for _ in range(MACHINES)]
        students = [Student(port, machine_id, enough) for machine_id in ids]
        for student in students:
            student.start()
        for _ in range(ACKNOWLEDGED_BEFORE_THE_KILL):
            assert enough.acquire(timeout=SECONDS)
        process.send_signal(signal.SIGKILL)
        for student in students:
            student.join(SECONDS)
    assert [student.refused for student in students] == [[]] * MACHINES
    assert sum(len(student.acknowledged) for student in students) >= ACKNOWLEDGED_BEFORE_THE_KILL
    with server(tmp_path) as (port, _):
        for student in students:
            check_nothing_is_lost(port, student)


def check_nothing_is_lost(port: int, student: Student) -> None:
    url = f"{API}/{student.machine_id}"
    machine = ask(port, "GET", url)
    last = student.acknowledged[-1][0]
    # What was on its way when the server died may be there, as a whole: nobody was told that it is not.
    assert machine["version"] in (last, last + 2)
    history = ask(port, "GET", f"{url}/commands?limit=10000")
    session = Session(PRESETS["16mb"])
    session.perform_all([command_from_json(json.dumps(command)) for command in history["commands"]])
    assert machine["digest"] == session.machine.digest()
    assert machine["chain"] == session.chain
    assert student.acknowledged == [(version, session.chain_at(version)) for version, _ in student.acknowledged]


@pytest.mark.slow
def test_a_second_worker_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with server(tmp_path) as (port, _):
        ask(port, "GET", "/healthz")
        second = subprocess.run(
            [sys.executable, "-m", "uvicorn", "--factory", "app.main:create_app", "--port", "0"],
            env={**os.environ, "PAGEWALK_DATA": str(tmp_path)},
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    assert second.returncode != 0
    assert b"in use by another server" in second.stderr
