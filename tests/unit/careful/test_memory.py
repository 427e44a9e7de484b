"""A process that exceeds its memory limit ends, and the next one reads carefully."""

import threading
from pathlib import Path

from headrace.contracts.exit_codes import ExitCode
from headrace.streaming.runtime.careful.memory import MemoryGuard, resident_bytes


def test_a_process_over_its_limit_ends_and_the_next_one_reads_carefully_once(tmp_path: Path) -> None:
    marker, ended, codes = tmp_path / "state" / "lander-0.full", threading.Event(), list[int]()
    used = iter([10, 20, 101])

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    assert not MemoryGuard(marker, 100, end=end, used=lambda: next(used)).start()
    assert ended.wait(10)
    assert codes == [ExitCode.RESTART]
    assert MemoryGuard(marker, 1 << 50).start()
    assert not MemoryGuard(marker, 1 << 50).start()


def test_resident_memory_is_that_of_the_process() -> None:
    before = resident_bytes()
    held = bytearray(b"x" * (50 << 20))
    assert resident_bytes() - before > 40 << 20
    del held
