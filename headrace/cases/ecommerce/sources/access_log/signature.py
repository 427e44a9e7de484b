"""The shop's signature on a purchase that the tracking pixel reports: `sig=` with an HMAC under the shop's key.

Anybody can send a hit. If a key is set, a purchase counts as the shop's own only with the signature that its server
puts into the pixel's address: HMAC-SHA-256, in hexadecimal digits, over these lines, joined by newlines and in UTF-8:

    purchase
    the value of order
    the value of total
    the value of cur, or an empty line
    the value of uid, or an empty line
    the value of country, or an empty line

Values are signed as they are before percent-encoding, amounts digit by digit. A value with a line break cannot be
signed.
"""

import hmac
import stat
from pathlib import Path

from headrace.cases.ecommerce.sources.access_log.pixel import InvalidHit, parameters
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings

KEY_FILE = "pixel_key"
LEAST_KEY_BYTES = 16
SIGNED = ("order", "total", "cur", "uid", "country")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def signature(key: bytes, **values: str) -> str:
    """The signature of a purchase, given its values by the names of the pixel's parameters."""
    lines = ("purchase", *(values.get(name, "") for name in SIGNED))
    return hmac.digest(key, "\n".join(lines).encode(errors="surrogatepass"), "sha256").hex()


def is_signed(key: bytes, query: str) -> bool:
    """Whether the query string of a purchase bears the shop's signature."""
    try:
        given = parameters(query)
    except InvalidHit:
        return False
    values = {name: given[name] for name in SIGNED if name in given}
    if any("\n" in value for value in values.values()):
        return False
    sent = given.get("sig", "").encode(errors="surrogatepass")
    return hmac.compare_digest(sent, signature(key, **values).encode())


def load_pixel_key(settings: Settings) -> bytes | None:
    """The shop's key; None if none is set, and purchases are neither verified nor unverified.

    Raises:
        Terminal: the file is missing or too short, or other accounts can read the one in the home.
    """
    path = settings.pixel_key_file or settings.secrets / KEY_FILE
    try:
        key = path.read_bytes().strip()
    except FileNotFoundError:
        if settings.pixel_key_file is None:
            return None
        raise Terminal(f"There is no key file {path}.", remedy="Correct HEADRACE_PIXEL_KEY_FILE.") from None
    except OSError as error:
        raise Terminal(
            f"The key file {path} cannot be read: {error.strerror}.", remedy="Let its reader own it."
        ) from error
    if len(key) < LEAST_KEY_BYTES:
        raise Terminal(
            f"The key in {path} has less than {LEAST_KEY_BYTES} bytes.", remedy="Put a long random text into it."
        )
    if settings.pixel_key_file is None and _is_readable_by_others(path):
        raise Terminal(
            f"Other accounts can read the key {path}.", remedy=f"Run `chmod 600 {path}`, or make another key."
        )
    return key


def _is_readable_by_others(path: Path) -> bool:
    return bool(path.stat().st_mode & _OTHERS)
