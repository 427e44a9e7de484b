"""The source `weather`: observations, live from forecast services and from files."""

from collections.abc import Iterator, Sequence

from headrace.contracts.settings import Settings
from headrace.streaming.sources.file_source import FileSource, Input
from headrace.streaming.sources.live.source import LiveSource, Source
from headrace.streaming.sources.outcomes import Outcome


def _open_sources(settings: Settings) -> Sequence[Source]:
    from headrace.cases.data_science.sources.weather.live import open_sources

    return open_sources(settings)


def _check(settings: Settings) -> None:
    from headrace.cases.data_science.sources.weather.live import check

    check(settings)


def _outcomes(given: Input) -> Iterator[Outcome]:
    from headrace.cases.data_science.sources.weather import files
    from headrace.streaming.sources.files import read_pieces

    station = given.options.station or given.path.name.split(".")[0].removesuffix("-weather")
    return files.outcomes(read_pieces(given.path), station)


LIVE = LiveSource("weather", _open_sources, _check)
FILE = FileSource("weather", _outcomes, ("weather_data",), ("station",))
