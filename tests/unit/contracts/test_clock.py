"""The time of day is read in one module."""

import re
from pathlib import Path

import time_machine

from headrace.contracts import clock

ROOT = Path(__file__).parents[3]
ROOMS = ("headrace", "orchestration", "streaming", "warehouse")
READS = re.compile(r"\b(datetime\.(now|utcnow|today)|date\.today|time\.(time|time_ns|localtime|gmtime))\(")


def test_no_other_module_reads_the_systems_clock() -> None:
    modules = [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if path != Path(clock.__file__)]
    assert not [str(path.relative_to(ROOT)) for path in modules if READS.search(path.read_text())]


def test_the_clock_gives_one_time_in_every_form() -> None:
    with time_machine.travel("2026-03-01T12:00:00.250Z", tick=False):
        assert clock.now().isoformat() == "2026-03-01T12:00:00.250000+00:00"
        assert clock.seconds() == clock.now().timestamp()
        assert clock.milliseconds() == 1_772_366_400_250
        assert clock.local().astimezone() == clock.now()
