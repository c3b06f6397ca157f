"""`pagewalk bench`: what one action costs the server, and what a long program costs everybody else.

Real servers in processes of their own, measured in turn, several rounds of each after one that warms up. What is compared
is the CPU time of the server's process for each request, never the clients'; of waiting, the median that others see.
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Final

from app.bench_load import HOST, PORT, Client, Server, serving
from app.bench_marks import ROUNDS, Mark
from engine.commands import Free, Malloc, Write
from engine.config import PRESETS
from engine.session import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from engine.commands import Command

CLIENTS: Final = 32
"""A class: people who act at the same moment, each on a machine of their own."""
ACTIONS: Final = 50
"""JSON actions of each of them in one round."""
PAGE_ACTIONS: Final = 30
PROGRAM: Final = 20_000
OTHERS: Final = 4
"""People beside a long program, and how often each acts in one round while there is none."""
TIMES: Final = 50
PAUSE: Final = 0.01
"""Seconds between two actions of one of them."""
PRESET: Final = "64mb"
API: Final = "/api/v1/machines"
FORM: Final = "content-type: application/x-www-form-urlencoded\r\nhx-request: true\r\nhx-request-type: partial\r\n"
OK: Final = 200
_PLACE: Final = re.compile(r'id="part-(\w+)" data-shows="(\w+)"')
WORDS: Final = ("a = malloc 100", "write a 65", "free a")
"""What somebody on the page does, over and over."""
TURN: Final = ({"op": "malloc", "size": 100, "as": "a"}, {"op": "free", "ptr": "a"})
"""What somebody's program does, over and over."""
BODIES: Final = tuple(json.dumps([command]).encode() for command in TURN)


def marks() -> list[Mark]:
    """All of this file's."""
    return [asyncio.run(page_action()), asyncio.run(json_action()), asyncio.run(beside_a_long_program())]


# --- the servers -----------------------------------------------------------------------------------------------------


@contextmanager
def ours() -> Iterator[Server]:
    """Pagewalk, with an empty journal."""
    with TemporaryDirectory() as folder, serving("app.cli", "serve", "--port", PORT, "--data", folder) as server:
        yield server


@contextmanager
def bare(body: bytes = b"") -> Iterator[Server]:
    """The server that answers these bytes; without them the one that renders."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "body"
        file.write_bytes(body)
        with serving("app.bench_servers", PORT, *([str(file)] if body else [])) as server:
            yield server


async def cost(server: Server, requests: int, work: Awaitable[object]) -> float:
    """The server's CPU seconds for each of the requests that `work` sends."""
    before = server.cpu_seconds()
    await work
    return (server.cpu_seconds() - before) / requests


async def new_machine(client: Client) -> str:
    """A new machine's id."""
    answer = await client.json(API, json.dumps({"preset": PRESET}).encode())
    return str(json.loads(answer.body)["id"])


# --- an action on the page -------------------------------------------------------------------------------------------


async def page_action() -> Mark:
    """An action on the page, as htmx sends it, against rendering its answer."""
    ratios = []
    with ours() as server, bare() as renderer:
        client, other = Client(server), Client(renderer)
        machine_id = await new_machine(client)
        for _ in range(1 + ROUNDS):
            mine = await cost(server, PAGE_ACTIONS, _actions(client, machine_id))
            its = await cost(renderer, PAGE_ACTIONS, _renders(other))
            ratios.append(mine / its)
    what = "an action on the page ÷ a bare Jinja2 render of its answer, CPU of the server"
    return Mark(what, median(ratios[1:]), 1.5, at_most=True)


async def _actions(client: Client, machine_id: str) -> None:
    """As the page's script sends them: each says which parts the page shows, and takes those that come."""
    page = f"/m/{machine_id}"
    shows = dict(_PLACE.findall((await client.send("GET", page)).body.decode()))
    for turn in range(PAGE_ACTIONS):
        body = f"words={WORDS[turn % len(WORDS)].replace(' ', '+')}".encode()
        has = ",".join(f"{name}={digest}" for name, digest in shows.items())
        here = f"hx-current-url: http://{HOST}{page}\r\npagewalk-shows: {has}\r\n"
        answer = await client.send("POST", f"{page}/do?pid=0", body, FORM + here)
        assert answer.status == OK, answer.body
        shows.update(_PLACE.findall(answer.body.decode()))


async def _renders(client: Client) -> None:
    for _ in range(PAGE_ACTIONS):
        await client.send("GET", "/")


def render_of_an_action() -> Callable[[], str]:
    """The templates of the parts that change, their contexts made once: what is left is rendering."""
    # Only the server that renders needs the pages.
    from app.pages.drawing import differing, fragment  # noqa: PLC0415
    from app.pages.machine_parts import machine_page  # noqa: PLC0415
    from app.pages.shown import Shown  # noqa: PLC0415

    session = Session(PRESETS[PRESET])
    commands: tuple[Command, ...] = (Malloc(size=100, as_="a"), Write(ptr="a", value=65), Free(ptr="a"))
    has: dict[str, str] = {}
    changed = []
    for turn in range(PAGE_ACTIONS):
        session.perform(commands[turn % len(commands)])
        page = machine_page(session, "A" * 22, Shown())
        changed.append(differing(page, has))
        has = {part.name: part.digest for part in page.parts}
    turns = cycle(changed[1:])
    return lambda: "".join(map(fragment, next(turns)))


# --- a JSON action ---------------------------------------------------------------------------------------------------


async def json_action() -> Mark:
    """One command over REST, durable before it is answered, against an answer of the same bytes."""
    ratios = []
    with ours() as server:
        clients = [Client(server) for _ in range(CLIENTS)]
        paths = [f"{API}/{await new_machine(client)}/commands" for client in clients]
        body = (await clients[0].json(paths[0], BODIES[0])).body
        await clients[0].json(paths[0], BODIES[1])
        with bare(body) as replier:
            others = [Client(replier) for _ in range(CLIENTS)]
            for _ in range(1 + ROUNDS):
                mine = await cost(server, CLIENTS * ACTIONS, _all_act(clients, paths))
                its = await cost(replier, CLIENTS * ACTIONS, _all_act(others, paths))
                ratios.append(mine / its)
    what = "a JSON action ÷ a bare reply of the same bytes, CPU of the server"
    return Mark(what, median(ratios[1:]), 2.5, at_most=True)


async def _all_act(clients: list[Client], paths: list[str]) -> None:
    await asyncio.gather(*(_act(client, path, ACTIONS) for client, path in zip(clients, paths, strict=True)))


async def _act(client: Client, path: str, times: int) -> None:
    for turn in range(times):
        await client.json(path, BODIES[turn % len(BODIES)])


# --- beside a long program -------------------------------------------------------------------------------------------


async def beside_a_long_program() -> Mark:
    """How long others wait for their JSON actions, while somebody's long program runs and while it does not."""
    commands = [TURN[number % len(TURN)] for number in range(PROGRAM)]
    program = json.dumps(commands).encode()
    ratios = []
    with ours() as server:
        author, clients = Client(server), [Client(server) for _ in range(OTHERS)]
        paths = [f"{API}/{await new_machine(client)}/commands" for client in clients]
        for _ in range(1 + ROUNDS):
            alone = await _waits(clients, paths)
            machine_id = await new_machine(author)
            sending = asyncio.create_task(author.json(f"{API}/{machine_id}/commands", program))
            beside = await _waits(clients, paths, sending)
            await sending
            ratios.append(median(beside) / median(alone))
    what = f"others' actions while {PROGRAM:,} commands run ÷ alone, median wait"
    return Mark(what, median(ratios[1:]), 2, at_most=True)


async def _waits(clients: list[Client], paths: list[str], during: asyncio.Task[object] | None = None) -> list[float]:
    """How long each action took: TIMES of everybody, or as many as begin and end while `during` is not done."""
    waits: list[float] = []

    async def one(client: Client, path: str) -> None:
        turn = 0
        while turn < TIMES if during is None else not during.done():
            for body in BODIES:
                before = perf_counter()
                await client.json(path, body)
                if during is None or not during.done():
                    waits.append(perf_counter() - before)
                await asyncio.sleep(PAUSE)
            turn += len(BODIES)

    await asyncio.gather(*(one(client, path) for client, path in zip(clients, paths, strict=True)))
    return waits
