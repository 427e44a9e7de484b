"""The source `online-retail`: an order book, as orders and customers. It is read in `order_book`."""

from collections.abc import Iterable, Iterator
from typing import Any

from headrace.contracts.settings import Settings
from headrace.streaming.sources.file_source import FileSource, Input
from headrace.streaming.sources.outcomes import Counts, Deliverable, Outcome


def _outcomes(given: Input) -> Iterator[Outcome]:
    from headrace.cases.ecommerce.sources.order_book import online_retail

    return online_retail.outcomes(online_retail.read_lines(given.path, given.options.date_format))


def _fill_shop(settings: Settings, outcomes: Iterable[Deliverable], **how: Any) -> Counts:
    from headrace.cases.ecommerce.shop_database.filling import fill

    return fill(settings, outcomes, **how)


FILE = FileSource("online-retail", _outcomes, ("orders", "customers"), ("date_format",), into={"shop-db": _fill_shop})
