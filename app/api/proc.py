"""/machines/{id}/proc/{file}: /proc as Linux prints it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse

from app.api import API_PREFIX
from app.api.describe import answer, problems
from app.api.service import Service
from app.problems import FieldError, ProblemError
from engine.session import Session

router = APIRouter(prefix=API_PREFIX + "/machines/{machine_id}/proc", tags=["looking"])

_MEMINFO = "MemTotal:          54728 kB\nMemFree:           47812 kB\n"


@router.get(
    "/{file}",
    response_class=PlainTextResponse,
    responses={**answer(_MEMINFO, media_type="text/plain"), **problems(404, 409, 422)},
)
async def read_proc(machine_id: str, file: str, machines: Service, pid: Annotated[int, Query(ge=0)] = 0) -> str:
    """The text of /proc/FILE, or of a process's own /proc/PID/FILE."""
    return await machines.look(machine_id, lambda session: _text(session, file, pid))


def _text(session: Session, file: str, pid: int) -> str:
    processes = session.machine.processes
    if pid not in processes or processes[pid].ended is not None:
        living = ", ".join(str(each.pid) for each in processes.values() if each.ended is None)
        what = f"process {pid} has ended" if pid in processes else f"there is no process {pid}"
        detail = f"{what}; living: {living or 'none'}"
        raise ProblemError(404, "unknown-process", "Unknown process", detail, [FieldError(field="pid", detail=detail)])
    try:
        return session.machine.proc_file(file, pid)
    except KeyError:
        detail = f"there is no /proc/{file} here"
        fault = FieldError(field="file", detail=detail)
        raise ProblemError(404, "unknown-file", "Unknown file", detail, [fault]) from None
