"""The sources of posts: `bluesky` and `mastodon` live, `jetstream` and `mastodon` from files."""

from collections.abc import Iterator, Sequence

from headrace.contracts.settings import Settings
from headrace.streaming.sources.file_source import FileSource, Input, pieces_of
from headrace.streaming.sources.live.source import LiveSource, Source
from headrace.streaming.sources.outcomes import Outcome


def _open_bluesky(settings: Settings) -> Sequence[Source]:
    from headrace.cases.data_science.sources.bluesky.live import open_sources

    return open_sources(settings)


def _check_bluesky(settings: Settings) -> None:
    from headrace.cases.data_science.sources.bluesky.live import check

    check(settings)


def _open_mastodon(settings: Settings) -> Sequence[Source]:
    from headrace.cases.data_science.sources.mastodon.live import open_sources

    return open_sources(settings)


def _check_mastodon(settings: Settings) -> None:
    from headrace.cases.data_science.sources.mastodon.live import check

    check(settings)


def _jetstream(given: Input) -> Iterator[Outcome]:
    from headrace.cases.data_science.sources.bluesky import jetstream
    from headrace.streaming.sources.pseudonyms import load_key, pseudonymizer

    return jetstream.outcomes(pieces_of(given.path), pseudonymizer(load_key(given.settings)))


def _mastodon(given: Input) -> Iterator[Outcome]:
    from headrace.cases.data_science.sources.mastodon import messages
    from headrace.streaming.sources.files import read_chunks
    from headrace.streaming.sources.pseudonyms import load_key, pseudonymizer

    pseudonymize = pseudonymizer(load_key(given.settings))
    if messages.is_saved_timeline(read_chunks(given.path)):
        return messages.saved_timeline(read_chunks(given.path), pseudonymize)
    return messages.outcomes(pieces_of(given.path), pseudonymize)


BLUESKY = LiveSource("bluesky", _open_bluesky, _check_bluesky)
MASTODON = LiveSource("mastodon", _open_mastodon, _check_mastodon)
JETSTREAM_FILE = FileSource("jetstream", _jetstream, ("social_media",))
MASTODON_FILE = FileSource("mastodon", _mastodon, ("social_media",))
