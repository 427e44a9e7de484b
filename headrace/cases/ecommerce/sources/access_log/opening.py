"""Makes the parser that the settings ask for, and checks their format against the existing files.

The live source and `headrace ingest` use the same parser, so a line becomes the same event either way.
"""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path

from headrace.cases.ecommerce.sources.access_log.formats import Match, is_known, of_format
from headrace.cases.ecommerce.sources.access_log.lines import LineParser
from headrace.cases.ecommerce.sources.access_log.signature import load_pixel_key
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.sources.files import OversizedLine, numbered_lines, read_pieces
from headrace.streaming.sources.outcomes import Outcome, Rejected
from headrace.streaming.sources.pseudonyms import load_key, pseudonymizer

AUTO = "auto"
SAMPLED_FILES, SAMPLED_LINES = 10, 100
"""The number of newest files whose first lines are checked before a format is accepted."""


def maker(settings: Settings) -> Callable[[], LineParser]:
    """A function that makes the parser, in this process or another.

    Raises:
        Terminal: the format string is invalid, or the signing key cannot be used.
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
    """Reject a format of the user's own if none of the files' first lines matches it.

    Raises:
        Terminal: the format string is invalid, or does not match the files.
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
    # A line with an invalid pixel hit still matches the format.
    return not isinstance(outcome, Rejected) or outcome.reason.startswith("pixel hit")


def _first_lines(path: Path) -> list[bytes]:
    try:
        lines = (line for line in numbered_lines(read_pieces(path)) if not isinstance(line, OversizedLine))
        return list(islice((raw for _, raw in lines if raw.strip()), SAMPLED_LINES))
    except Terminal:
        # Unreadable files are reported when they are read.
        return []


def _match(form: str) -> Match | None:
    """The format; None if the lines can be read without one."""
    if form == AUTO:
        return None
    match = of_format(form)
    return None if is_known(form) else match


def _parser(key: bytes, form: str, *, personal: bool, pixel_key: bytes | None = None) -> LineParser:
    return LineParser(pseudonymizer(key), match=_match(form), personal=personal, pixel_key=pixel_key)
