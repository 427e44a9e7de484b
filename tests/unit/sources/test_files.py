"""Reading lines: nothing lost or repeated, bounded memory; all forms of gzip; files that grow and rotate."""

import bz2
import gzip
import lzma
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contracts.errors import Terminal
from headrace.contracts.topic import MAX_DEAD_LETTER_BYTES
from headrace.streaming.sources.files import MAX_LINE_BYTES, Block, OversizedLine, Piece, fingerprint, read_pieces
from headrace.streaming.sources.following import follow_pieces
from headrace.streaming.sources.unpacking import packing_of
from tests.unit.sources.walking import pieces

LINES = [f"line {number}".encode() for number in range(5_000)]
CONTENT = b"\n".join(LINES) + b"\n"


def lines_of(found: list[Piece]) -> list[bytes]:
    return [line for piece in found if isinstance(piece, Block) for line in piece.lines]


@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line)), st.integers(1, 50), st.booleans())
def test_lines_offsets_and_numbers_do_not_depend_on_the_chunks(lines: list[bytes], chunk: int, ends: bool) -> None:
    content = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    number, seen = 1, b""
    for piece in pieces(content, chunk):
        assert isinstance(piece, Block)
        assert (piece.offset, piece.number) == (len(seen), number)
        seen += b"".join(line + b"\n" for line in piece.lines)
        number += len(piece.lines)
    assert seen.removesuffix(b"\n") == content.removesuffix(b"\n")


@pytest.mark.parametrize("text", [b"", b"a", b"a\n", b"\n\n", b"a\nbc"])
def test_a_block_knows_its_lines(text: bytes) -> None:
    block = Block("f", 0, 1, text)
    assert block.lines == text.split(b"\n")
    assert (block.line_count, block.last_line) == (len(block.lines), block.lines[-1])


def test_a_line_without_end_is_cut_and_counted_once() -> None:
    huge = b"x" * (MAX_DEAD_LETTER_BYTES + 100_000)
    before, oversized, after = pieces(b"a\n" + huge + b"\nb")
    assert isinstance(before, Block)
    assert isinstance(after, Block)
    assert isinstance(oversized, OversizedLine)
    assert (oversized.number, oversized.size, len(oversized.head)) == (2, len(huge), MAX_DEAD_LETTER_BYTES)
    assert (after.lines, after.number, after.offset) == ([b"b"], 3, len(huge) + 3)


def test_the_longest_line_allowed_is_a_line() -> None:
    assert lines_of(pieces(b"x" * MAX_LINE_BYTES)) == [b"x" * MAX_LINE_BYTES]
    assert lines_of(pieces(b"a\n" + b"x" * (MAX_LINE_BYTES + 1) + b"\nb\n", chunk=1 << 22)) == [b"a", b"b"]


@pytest.mark.parametrize(
    "compressed",
    [
        gzip.compress(CONTENT),
        gzip.compress(CONTENT[:100]) + gzip.compress(CONTENT[100:]),
        gzip.compress(CONTENT) + b"\0" * 1_000,
        gzip.compress(b"") + gzip.compress(CONTENT),
        CONTENT,
    ],
    ids=["one member", "two members", "padded", "an empty member first", "plain"],
)
def test_compressed_and_plain_files_give_the_same_lines(tmp_path: Path, compressed: bytes) -> None:
    path = tmp_path / "named.anything"
    path.write_bytes(compressed)
    offset = 0
    for piece in read_pieces(path):
        assert isinstance(piece, Block)
        assert (piece.fingerprint, piece.offset) == (fingerprint(LINES[0]), offset)
        offset += sum(map(len, piece.lines)) + len(piece.lines)
    assert lines_of(list(read_pieces(path))) == LINES


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda content: pa.compress(content, codec="zstd", asbytes=True),
    "lz4": lambda content: pa.compress(content, codec="lz4", asbytes=True),
}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("parts", [1, 3])
def test_a_file_is_read_in_every_compression(tmp_path: Path, packing: str, parts: int) -> None:
    path = tmp_path / "named.anything"
    size = len(CONTENT) // parts + 1
    cut = [CONTENT[start : start + size] for start in range(0, len(CONTENT), size)]
    path.write_bytes(b"".join(PACKED[packing](each) for each in cut))
    assert packing_of(path.read_bytes()[:8]) == packing
    assert lines_of(list(read_pieces(path))) == LINES


@pytest.mark.parametrize("packing", PACKED)
def test_of_a_damaged_packed_file_whole_lines_are_read_and_then_it_fails(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "bad"
    content = b"".join(b"%d %s\n" % (number, sha256(b"%d" % number).hexdigest().encode()) for number in range(40_000))
    packed = PACKED[packing](content)
    for damaged in (packed[:-9], packed[: len(packed) // 2], packed + b"rubbish that is longer than a header"):
        path.write_bytes(damaged)
        found: list[Piece] = []
        with pytest.raises(Terminal, match=r"is damaged|ends in the middle"):
            found.extend(read_pieces(path))
        read = lines_of(found)
        assert read == content.split(b"\n")[: len(read)]
        # bzip2 has blocks of 900 kB.
        assert len(read) > 10_000


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le"])
def test_a_file_in_utf_16_is_read_as_text(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "access.log"
    text = "\ufeff" + CONTENT.decode() + "ü\r\n" if encoding != "utf-16" else CONTENT.decode() + "ü\r\n"
    path.write_bytes(text.encode(encoding))
    assert lines_of(list(read_pieces(path))) == [*LINES, "ü\r".encode()]
    path.write_bytes(text.encode(encoding) + b"a")
    with pytest.raises(Terminal, match="is damaged"):
        list(read_pieces(path))


@pytest.mark.parametrize("magic", [b"PK\x03\x04", b"7z\xbc\xaf\x27\x1c", b"\x1f\x9d", b"LZIP", b"\xff\xfe\0\0"])
def test_what_cannot_be_unpacked_is_refused_once_not_cut_into_lines(tmp_path: Path, magic: bytes) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(magic + b"rubbish\n" * 100)
    with pytest.raises(Terminal, match="Unpack it"):
        list(read_pieces(path))


def test_a_file_that_unpacks_to_much_takes_no_more_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    for packing, pack in PACKED.items():
        path.write_bytes(pack(b"x" * 60_000_000))
        tracemalloc.start()
        (piece,) = read_pieces(path)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert isinstance(piece, OversizedLine)
        assert piece.size == 60_000_000
        assert used < 30_000_000, packing


@pytest.mark.parametrize("rest", [-5, -9, -200])
def test_of_a_truncated_gzip_file_the_whole_lines_are_read_and_then_it_fails(tmp_path: Path, rest: int) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(CONTENT)[:rest])
    found: list[Piece] = []
    with pytest.raises(Terminal, match="ends in the middle"):
        found.extend(read_pieces(path))
    # `extend` keeps what came before the error.
    read = lines_of(found)
    assert read == LINES[: len(read)]
    assert len(read) > 2_000


def test_a_damaged_gzip_file_fails_clearly(tmp_path: Path) -> None:
    path = tmp_path / "bad.gz"
    path.write_bytes(gzip.compress(CONTENT)[:300] + b"garbage" * 100)
    with pytest.raises(Terminal, match="damaged"):
        list(read_pieces(path))


def test_a_file_that_cannot_be_opened_is_reported_in_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(Terminal, match="cannot be read"):
            list(read_pieces(path))


@contextmanager
def following(path: Path) -> Iterator[Callable[[int], list[bytes]]]:
    """Follows `path` in the background; call what it gives to wait for so many lines."""
    stop, found, failed = threading.Event(), list[Piece](), list[Exception]()

    def run() -> None:
        try:
            found.extend(follow_pieces(path, stop))
        except Exception as error:  # noqa: BLE001  reported by wait_for below
            failed.append(error)

    def wait_for(count: int) -> list[bytes]:
        deadline = monotonic() + 10
        while len(lines_of(found)) < count and not failed:
            assert monotonic() < deadline, f"{len(lines_of(found))} of {count} lines"
            sleep(0.01)
        sleep(0.3)
        return lines_of(found)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield wait_for
    finally:
        stop.set()
        thread.join(5)
        assert not thread.is_alive()
        assert not failed


def test_a_follower_waits_for_a_file_and_for_the_end_of_its_last_line(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    with following(path) as wait_for, path.open("ab", buffering=0) as log:
        log.write(b"one\ntw")
        assert wait_for(1) == [b"one"]
        log.write(b"o\n")
        assert wait_for(2) == [b"one", b"two"]


def test_a_follower_survives_rotation_by_renaming(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"one\n")
    with following(path) as wait_for:
        wait_for(1)
        with path.open("ab", buffering=0) as old:
            path.rename(tmp_path / "access.log.1")
            old.write(b"two\n")
            sleep(0.3)
            path.write_bytes(b"four\n")
            old.write(b"three without end")
        assert wait_for(4) == [b"one", b"two", b"three without end", b"four"]


def test_a_follower_survives_truncation_also_when_the_file_has_grown_past_it(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"one\ntwo\n")
    with following(path) as wait_for:
        wait_for(2)
        path.write_bytes(b"")
        sleep(0.3)
        path.write_bytes(b"three\n")
        assert wait_for(3)[2:] == [b"three"]
        path.write_bytes(b"four is much longer than what was there before\n")
        assert wait_for(4)[3:] == [b"four is much longer than what was there before"]


def test_a_compressed_file_cannot_be_followed(tmp_path: Path) -> None:
    path = tmp_path / "access.log.gz"
    path.write_bytes(gzip.compress(b"one\n"))
    with pytest.raises(Terminal, match="--follow"):
        list(follow_pieces(path, threading.Event()))
