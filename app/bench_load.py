"""Real servers in processes of their own on 127.0.0.1, and requests to them; what they cost is the processes' CPU time."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST: Final = "127.0.0.1"
PORT: Final = "PORT"
_CPU_CLOCK_SCHED: Final = 2
_SECONDS_TO_STOP: Final = 5
_SECONDS_TO_START: Final = 30
_BYTES: Final = 1 << 24


class Server(NamedTuple):
    """A server that listens: where, and whose CPU time it takes."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """CPU time of all the process's threads so far: the clock of clock_getcpuclockid(3)."""
        return time.clock_gettime((~self.pid << 3) | _CPU_CLOCK_SCHED)


@contextmanager
def serving(*arguments: str) -> Iterator[Server]:
    """The server that `python -m ARGUMENTS` runs on the port that takes the place of PORT among them."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", *(str(port) if word == PORT else word for word in arguments)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own
    try:
        _wait_for(port, child)
        yield Server(port, child.pid)
    finally:
        child.terminate()
        try:
            child.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait_for(port: int, child: subprocess.Popen[bytes]) -> None:
    """Returns when somebody listens there. Raises OSError where nobody begins to."""
    last = time.monotonic() + _SECONDS_TO_START
    while True:
        try:
            socket.create_connection((HOST, port)).close()
        except OSError:
            if child.poll() is not None or time.monotonic() > last:
                raise
            time.sleep(0.05)
        else:
            return


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """One connection that is kept open as long as the server does, as a browser or a grader has it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, method: str, path: str, body: bytes = b"", headers: str = "") -> Answer:
        """Sends a request and reads the whole answer. A connection that the server has closed meanwhile is opened again."""
        try:
            return await self._send(method, path, body, headers)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._reader = None
            return await self._send(method, path, body, headers)

    async def _send(self, method: str, path: str, body: bytes, headers: str) -> Answer:
        if self._reader is None or self._writer is None or self._reader.at_eof():
            self._reader, self._writer = await asyncio.open_connection(HOST, self._server.port, limit=_BYTES)
        head = f"{method} {path} HTTP/1.1\r\nhost: {HOST}:{self._server.port}\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
        self._writer.write(head.encode() + body)
        top, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        found = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        content = await self._reader.readexactly(int(found.get("content-length", "0")))
        return Answer(int(top.split()[1]), found, content)

    async def json(self, path: str, body: bytes) -> Answer:
        """Posts JSON; an answer that is not a success is a mistake of the benchmark."""
        answer = await self.send("POST", path, body, "content-type: application/json\r\n")
        assert answer.status < 300, answer.body
        return answer
