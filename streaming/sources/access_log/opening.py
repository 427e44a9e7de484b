"""The parser that the settings ask for, and the check of their format on what there is to read.

The live source and `headrace ingest` use the same parser, so a line becomes the same event either way.
"""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path

from contracts.errors import Terminal
from contracts.settings import Settings
from streaming.sources.access_log.formats import Match, is_known, of_format
from streaming.sources.access_log.lines import LineParser
from streaming.sources.access_log.signature import load_pixel_key
from streaming.sources.files import OversizedLine, numbered_lines, read_pieces
from streaming.sources.outcomes import Outcome, Rejected
from streaming.sources.pseudonyms import load_key, pseudonymizer

AUTO = "auto"
SAMPLED_FILES, SAMPLED_LINES = 10, 100
"""So many of the newest files, and of each its first lines, are looked at before a format is taken."""


def maker(settings: Settings) -> Callable[[], LineParser]:
    """What makes the parser, here or in another process.

    Raises:
        Terminal: a format string that is none, or a signing key that cannot be used.
    """
    form = settings.access_log_format
    _match(form)
    return partial(
        _parser,
        load_key(settings),
        form,
        personal=not settings.access_log_pseudonymize,
        pixel_key=load_pixel_key(settings),
    )


def check_format(settings: Settings, files: Iterable[Path]) -> None:
    """Refuse a format of the user's own that none of the first lines of the files is in.

    Raises:
        Terminal: a format string that is none, or that is not that of the files.
    """
    form = settings.access_log_format
    if _match(form) is None:
        return
    parser = _parser(b"", form, personal=True)
    lines = [line for path in islice(files, SAMPLED_FILES) for line in _first_lines(path)]
    if lines and not any(_is_understood(parser.line(line, "", 0)) for line in lines):
        raise Terminal(
            f"None of the first {len(lines)} lines of the access logs is in the format {form!r}.",
            remedy="Set HEADRACE_ACCESS_LOG_FORMAT to the format string of your server's configuration, or to `auto`.",
        )


def _is_understood(outcome: Outcome) -> bool:
    # An impossible pixel hit is one in the format.
    return not isinstance(outcome, Rejected) or outcome.reason.startswith("pixel hit")


def _first_lines(path: Path) -> list[bytes]:
    try:
        lines = (line for line in numbered_lines(read_pieces(path)) if not isinstance(line, OversizedLine))
        return list(islice((raw for _, raw in lines if raw.strip()), SAMPLED_LINES))
    except Terminal:
        # What cannot be read is reported where it is read.
        return []


def _match(form: str) -> Match | None:
    """The format; none where the lines are those that are read without one."""
    if form == AUTO:
        return None
    match = of_format(form)
    return None if is_known(form) else match


def _parser(key: bytes, form: str, *, personal: bool, pixel_key: bytes | None = None) -> LineParser:
    return LineParser(pseudonymizer(key), match=_match(form), personal=personal, pixel_key=pixel_key)
