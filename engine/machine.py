"""The machine: boots, and performs commands. `perform` is the one door in; `engine.views` is the one window out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.aftermath import resemble
from engine.clock import Clock
from engine.config import ConfigError
from engine.digest import state_digest
from engine.events.machine import SignalDelivered
from engine.hardware.ram import HostMemoryError
from engine.invariants import check
from engine.kernel.errno import Errno
from engine.kernel.kernel import Kernel
from engine.kernel.proc import proc_text
from engine.kernel.proc.binary import proc_bytes
from engine.kernel.task import Killed, SignalNumber
from engine.libc.abort import Abort, Endless
from engine.operations import OPERATIONS, REFUSALS
from engine.outcome import CommandError, Ended, Outcome, OutOfHostMemory, Signal
from engine.process import Process
from engine.program import relocate, start_libc
from engine.trace import NO_CAUSE, Trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.commands import Command
    from engine.config import MachineConfig
    from engine.hardware.cpu import Cpu

ENGINE_VERSION: Final = "2"
"""Changes whenever the same commands could give other results than before."""
FIRST_PID: Final = 0
_NO_CODE: Final = -1


class Machine:
    """A simulated PC with Linux on it, and the program of the configuration's image as process 0.

    The same configuration and commands give the same state, outcomes and trace, on every host and every Python.
    """

    __slots__ = ("clock", "config", "cpu", "kernel", "processes", "trace", "version")

    def __init__(self, config: MachineConfig) -> None:
        self.config = config
        self.clock = Clock()
        self.trace = Trace(self.clock, config.trace_capacity)
        self.trace.on = False
        self.kernel = Kernel(config, self.clock, self.trace)
        self.cpu: Cpu = self.kernel.cpu
        self.processes: dict[int, Process] = {}
        self.version = 0
        """Commands performed since boot."""
        for name, value in config.sysctls:
            self._set_sysctl(name, value)
        self._spawn()
        self.clock.ns = 0
        if config.resembles:
            resemble(self.kernel, dict(config.resembles), config.image)
        self.kernel.share_page_tables()
        self.trace.on = True
        # Nobody asked for what happens at boot: the first command is record 0.

    @property
    def time_ns(self) -> int:
        """Simulated nanoseconds since the first process's main() began."""
        return self.clock.ns

    def perform(self, command: Command) -> Outcome:
        """Does what `command` asks; gives what the program saw. Raises CommandError, with nothing changed, where it can't."""
        process = self.processes.get(command.pid)
        if process is None or process.ended is not None:
            raise CommandError("pid", self._why_no_process(command.pid))
        operation, field = OPERATIONS[type(command)]
        address = 0
        if field is not None:
            place = getattr(command, field)
            held = process.slots.get(place)
            address = process.resolve(place, field.rstrip("_")) if held is None else held
        kernel, trace = self.kernel, self.trace
        ring = trace.ring
        before = trace.dropped + len(ring)
        here = kernel.current is process.task
        if not here:
            refuse = REFUSALS.get(type(command))
            if refuse is not None:
                refuse(self, command)
        if trace.on:
            # The command is the cause of everything until the next one.
            trace.cause = before
            ring.append((self.clock.ns, NO_CAUSE, command))
            if len(ring) > trace.limit:
                trace.trim()
        if not here:
            kernel.switch_to(process.task)
        try:
            outcome = operation(self, process, command, address)
            if kernel.work_pending:
                kernel.return_to_user()
        except Killed as killed:
            outcome = self._killed(process, command, killed)
        except Abort as abort:
            signal = Signal(SignalNumber.SIGABRT.name, _NO_CODE, None, fatal=True, message=abort.message)
            outcome = self._die(process, command, SignalNumber.SIGABRT, signal)
        except HostMemoryError as error:
            raise OutOfHostMemory(f"{error}; the command was not performed") from None
        except Endless as endless:
            signal = Signal(SignalNumber.SIGKILL.name, _NO_CODE, None, fatal=True, message=f"{endless}; it was killed")
            outcome = self._die(process, command, SignalNumber.SIGKILL, signal)
        except CommandError:
            trace.retract(before)
            raise
        if self.clock.ns >= kernel.fs_writeback.wake_at:
            kernel.fs_writeback.run_timer()
        if kernel.work_pending:
            kernel.idle()
            self._reap()
        self.version += 1
        return outcome

    def fork(self, parent: Process, pid: int) -> None:
        """fork(): process `pid` begins as a copy of `parent`. Raises Errno(ENOMEM)."""
        task = self.kernel.fork.sys_fork(parent.task, pid)
        libc = parent.libc.forked()
        self.processes[pid] = Process(pid, task, libc, dict(parent.slots), null_slots=parent.null_slots)

    def end(self, process: Process, ended: Ended) -> None:
        """The process is gone and all it had is given back."""
        self.kernel.exit.do_exit(process.task)
        process.ended = ended

    def digest(self) -> str:
        """32 hexadecimal digits over the whole state: RAM, kernel, processes, time. Two machines that did the same agree."""
        return state_digest(self)

    def check(self) -> None:
        """Raises InvariantError, naming what does not add up, unless every frame has one owner, counts equal lists, …"""
        check(self)

    def proc_file(self, name: str, pid: int = FIRST_PID) -> str:
        """The text of /proc/NAME or, for a process's own file, /proc/PID/NAME. Raises KeyError for an unknown name."""
        return proc_text(self.kernel, name, self.processes[pid].task)

    def _set_sysctl(self, name: str, value: int) -> None:
        """What sysctl.conf would do at boot. Raises ConfigError for a setting that there is not, or not with this value."""
        try:
            self.kernel.sysctl.write(name, value)
        except Errno as error:
            raise ConfigError("sysctls", f"sysctls: {name} = {value} gives {error.number.name}") from None

    def proc_bytes(self, name: str, offset: int, length: int, pid: int = FIRST_PID) -> bytes:
        """What reading /proc/NAME gives, of the files that are no text: see engine/kernel/proc/binary.py for what it raises.

        A ValueError instead of EINVAL: `offset` or `length` is no multiple of 8.
        """
        try:
            return proc_bytes(self.kernel, name, self.processes[pid].task, offset, length)
        except Errno as error:
            raise ValueError(error.number.name) from None

    @property
    def kernel_slots(self) -> Mapping[str, int]:
        """The pointer variables of the kernel's commands (alloc_pages, kmalloc, …), and what they hold."""
        return self.kernel.lab.slots

    # --- processes ---------------------------------------------------------------------------------------------------

    def _spawn(self) -> None:
        kernel = self.kernel
        mm = kernel.fork.mm_alloc()
        task = kernel.fork.task_alloc(FIRST_PID, "student", mm, None)
        kernel.binfmt_elf.load(task, self.config.image)
        kernel.switch_to(task)
        relocate(kernel, task, self.config.image)
        libc = start_libc(self.cpu, self.trace, self.config.image)
        self.processes[FIRST_PID] = Process(FIRST_PID, task, libc, {}, null_slots=self.config.null_slots)

    def _killed(self, process: Process, command: Command, killed: Killed) -> Outcome:
        if killed.signal is SignalNumber.SIGKILL:
            return self._die(process, command, killed.signal, None)
        signal = Signal(killed.signal.name, killed.code, killed.address, fatal=True)
        return self._die(process, command, killed.signal, signal)

    def _die(self, process: Process, command: Command, number: SignalNumber, signal: Signal | None) -> Outcome:
        if signal is not None:
            self.trace.emit(SignalDelivered(process.pid, signal.name, signal.code, signal.address or 0))
        self.end(process, Ended(process.pid, _NO_CODE, number))
        return Outcome(command.op, process.pid, signal=signal, ended=process.ended)

    def _reap(self) -> None:
        """Processes that the kernel killed while another ran."""
        for pid in self.kernel.killed:
            self.processes[pid].ended = Ended(pid, _NO_CODE, SignalNumber.SIGKILL)
        self.kernel.killed.clear()

    def _why_no_process(self, pid: int) -> str:
        living = ", ".join(str(p.pid) for p in self.processes.values() if p.ended is None)
        if pid in self.processes:
            return f"process {pid} has ended; living: {living or 'none'}"
        return f"there is no process {pid}; living: {living or 'none'}"
