"""Requests to the shop's web server, and their access-log lines (Combined Log Format)."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from headrace.cases.ecommerce.sources.access_log.pixel import PIXEL_PATH, PixelEvent

SHOP = "https://shop.example"
PIXEL_BYTES = 43
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Hit:
    """One request. `after_s` is seconds after the start of the visit."""

    after_s: float
    client: str
    request: str
    status: int
    size: int | None
    referrer: str
    agent: str

    def line(self, time: datetime) -> bytes:
        """The line as an Apache server in UTC writes it."""
        stamp = f"{time.day:02}/{_MONTHS[time.month - 1]}/{time.year:04}:{time:%H:%M:%S} +0000"
        size = "-" if self.size is None else self.size
        line = f'{self.client} - - [{stamp}] "{self.request}" {self.status} {size} "{self.referrer}" "{self.agent}"'
        return line.encode()


def page(after_s: float, client: str, agent: str, path: str, referrer: str, size: int) -> Hit:
    """A page that was served."""
    return Hit(after_s, client, f"GET {path} HTTP/1.1", 200, size, referrer, agent)


def pixel(after_s: float, client: str, agent: str, path: str, event: PixelEvent, **parameters: str | None) -> Hit:
    """A hit on the tracking pixel, sent by the page at `path`. Parameters that are None are left out."""
    given = {name: value for name, value in parameters.items() if value is not None}
    request = f"GET {PIXEL_PATH}?{urlencode({'e': event, **given})} HTTP/1.1"
    return Hit(after_s, client, request, 200, PIXEL_BYTES, f"{SHOP}{path}", agent)
