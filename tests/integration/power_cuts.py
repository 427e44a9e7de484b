"""A partition after a power cut: the log without its end, and without the files of a clean shutdown."""

import struct
from pathlib import Path

from headrace.contracts.settings import Settings
from tests.integration.conftest import ServerControl

_HEADER = struct.Struct(">qi")


def cut_end(log: Path, from_offset: int) -> None:
    """Take the batches from an offset on off a stopped broker's partition, as if they had never been synced."""
    (segment,) = log.glob("*.log")
    with segment.open("r+b") as file:
        content, at = file.read(), 0
        while at < len(content):
            offset, length = _HEADER.unpack_from(content, at)
            if offset >= from_offset:
                break
            at += _HEADER.size + length
        assert at < len(content), f"{segment} holds nothing from offset {from_offset} on"
        file.truncate(at)
    for lost in (*log.glob("*.index"), *log.glob("*.timeindex"), *log.glob("*.snapshot"), *log.glob("leader-epoch-*")):
        lost.unlink()


def power_cut(control: ServerControl, cuts: dict[tuple[str, int], int]) -> None:
    """Stop the broker, take the ends off these partitions (topic, partition: offset), and start it again."""
    settings: Settings = control.settings
    control.stop("kafka")
    data = settings.root / "kafka" / "data"
    (data / ".kafka_cleanshutdown").unlink(missing_ok=True)
    for (topic, partition), offset in cuts.items():
        cut_end(data / f"{topic}-{partition}", offset)
    control.start("kafka")
