"""/machines/{id}/proc/{file}: /proc as Linux prints it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse

from app.api import API_PREFIX
from app.api.describe import problems
from app.api.service import Service
from app.problems import FieldError, ProblemError
from engine.session import Session

router = APIRouter(prefix=API_PREFIX + "/machines/{machine_id}/proc", tags=["looking"])

BINARY: Final = ("kpagecount", "kpageflags", "pagemap")
LENGTH_MAXIMUM: Final = 1 << 20
ENTRY: Final = 8
_MEMINFO = "MemTotal:          54728 kB\nMemFree:           47812 kB\n"
_CONTENT: Final = {
    "text/plain": {"example": _MEMINFO},
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
}


@router.get(
    "/{file}",
    response_class=PlainTextResponse,
    responses={200: {"content": _CONTENT}, **problems(404, 409, 422)},
)
async def read_proc(
    machine_id: str,
    file: str,
    machines: Service,
    pid: Annotated[int, Query(ge=0)] = 0,
    offset: Annotated[int, Query(ge=0, description="Of a file that is no text: the first byte, a multiple of 8.")] = 0,
    length: Annotated[int, Query(ge=0, le=LENGTH_MAXIMUM, description="How many bytes, a multiple of 8.")] = 65536,
) -> Response:
    """/proc/FILE, or a process's own /proc/PID/FILE.

    Most are text. kpagecount, kpageflags and pagemap are numbers of 64 bits, of which `length` bytes from `offset` on are
    read, as pread() would: fewer at the file's end.
    """
    if file not in BINARY:
        return PlainTextResponse(await machines.look(machine_id, lambda session: _text(session, file, pid)))
    content = await machines.look(machine_id, lambda session: _bytes(session, file, pid, offset, length))
    return Response(content, media_type="application/octet-stream")


def _bytes(session: Session, file: str, pid: int, offset: int, length: int) -> bytes:
    _check_process(session, pid)
    try:
        return session.machine.proc_bytes(file, offset, length, pid)
    except ValueError:
        field, value = ("offset", offset) if offset % ENTRY else ("length", length)
        detail = f"{field} is {value}; it can be a multiple of {ENTRY}"
        raise ProblemError(
            422, "parameter", "A parameter is wrong", detail, [FieldError(field=field, detail=detail)]
        ) from None


def _check_process(session: Session, pid: int) -> None:
    processes = session.machine.processes
    if pid not in processes or processes[pid].ended is not None:
        living = ", ".join(str(each.pid) for each in processes.values() if each.ended is None)
        what = f"process {pid} has ended" if pid in processes else f"there is no process {pid}"
        detail = f"{what}; living: {living or 'none'}"
        raise ProblemError(404, "unknown-process", "Unknown process", detail, [FieldError(field="pid", detail=detail)])


def _text(session: Session, file: str, pid: int) -> str:
    _check_process(session, pid)
    try:
        return session.machine.proc_file(file, pid)
    except KeyError:
        detail = f"there is no /proc/{file} here"
        fault = FieldError(field="file", detail=detail)
        raise ProblemError(404, "unknown-file", "Unknown file", detail, [fault]) from None
