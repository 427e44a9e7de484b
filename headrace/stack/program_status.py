"""The status of every program of the stack."""

from dataclasses import dataclass, replace

from headrace.contracts.settings import Settings
from headrace.stack.flapping import flapping, last_words
from headrace.stack.memory import memory_bytes
from headrace.stack.programs import Program, programs
from headrace.stack.supervision import Supervisor


@dataclass(frozen=True)
class ProgramStatus:
    """One program: its state in supervisord's words, and the memory of its processes (proportional set size).

    One that ends repeatedly is `FLAPPING`: `ends` counts how often in five minutes, `last_words` is its last message.
    """

    name: str
    state: str
    pid: int | None
    uptime_s: int | None
    memory_bytes: int
    address: str
    ends: int = 0
    last_words: str = ""


@dataclass(frozen=True)
class StackStatus:
    """The whole stack. `memory_bytes` includes the supervisor's own."""

    running: bool
    programs: tuple[ProgramStatus, ...]
    memory_bytes: int

    @property
    def healthy(self) -> bool:
        """Whether all programs run."""
        return self.running and all(program.state == "RUNNING" for program in self.programs)


def status(settings: Settings) -> StackStatus:
    """The status of every program of the stack."""
    supervisor = Supervisor(settings)
    if not supervisor.answers():
        return StackStatus(running=False, programs=(), memory_bytes=0)
    processes = supervisor.processes()
    known = [program for program in programs(settings) if program.full_name in processes]
    ends = flapping(settings)
    rows = tuple(
        _as_flapping(settings, _program_status(program, processes[program.full_name]), ends.get(program.name, 0))
        for program in known
    )
    own = memory_bytes(supervisor.pid(), with_children=False)
    return StackStatus(running=True, programs=rows, memory_bytes=own + sum(row.memory_bytes for row in rows))


def _program_status(program: Program, process: dict[str, object]) -> ProgramStatus:
    pid = int(str(process["pid"])) or None
    uptime = int(str(process["now"])) - int(str(process["start"])) if pid else None
    memory = memory_bytes(pid) if pid else 0
    return ProgramStatus(program.name, str(process["statename"]), pid, uptime, memory, program.address)


def _as_flapping(settings: Settings, status: ProgramStatus, ends: int) -> ProgramStatus:
    if not ends or status.state not in ("RUNNING", "STARTING", "BACKOFF"):
        return status
    return replace(status, state="FLAPPING", ends=ends, last_words=last_words(settings, status.name))
