"""The source `access-log`: the web server's logs, live and from files.

They are read in `access_log`, which is imported when it is used: a source that is killed is soon back.
"""

from collections.abc import Iterator, Sequence

from headrace.contracts.settings import Settings
from headrace.streaming.sources.file_source import FileSource, Input
from headrace.streaming.sources.live.source import LiveSource, Source
from headrace.streaming.sources.outcomes import Deliverable


def _open_sources(settings: Settings) -> Sequence[Source]:
    from headrace.cases.ecommerce.sources.access_log.live import open_sources

    return open_sources(settings)


def _check(settings: Settings) -> None:
    from headrace.cases.ecommerce.sources.access_log.live import check

    check(settings)


def _outcomes(given: Input) -> Iterator[Deliverable]:
    from headrace.cases.ecommerce.sources.access_log.opening import check_format, maker
    from headrace.streaming.sources.files import read_pieces
    from headrace.streaming.sources.following import follow_pieces

    check_format(given.settings, [given.path])
    pieces = follow_pieces(given.path, given.stop) if given.options.follow else read_pieces(given.path)
    return maker(given.settings)().outcomes(pieces)


LIVE = LiveSource("access-log", _open_sources, _check)
FILE = FileSource("access-log", _outcomes, ("web_logs",), ("follow",))
