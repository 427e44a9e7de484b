"""Pseudonyms of personal data: keyed hashes, so that nobody without this stack's key can test a guess against them."""

import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from contracts.settings import Settings

KEY_FILE = "pseudonym_key"
KEY_BYTES = 32
PSEUDONYM_BYTES = 16

Pseudonymize = Callable[[str, str], str]
"""Takes the kind of a value (`client`, `user`, `author`) and the value, gives 32 hexadecimal digits.

The kind is part of what is hashed: the same text as a client and as a user has two pseudonyms.
"""


def pseudonymizer(key: bytes) -> Pseudonymize:
    """HMAC-SHA-256 under `key`, cut to 16 bytes."""

    def pseudonymize(kind: str, value: str) -> str:
        message = f"{kind}\0{value}".encode(errors="surrogatepass")
        return hmac.digest(key, message, "sha256")[:PSEUDONYM_BYTES].hex()

    return pseudonymize


def load_key(settings: Settings) -> bytes:
    """This stack's key, generated on first use. The same key gives the same pseudonyms for good."""
    return bytes.fromhex(stored_secret(settings.secrets / KEY_FILE))


def stored_secret(path: Path) -> str:
    """The random hexadecimal digits in a file, for its owner only; made at the first use."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(path, secrets.token_hex(KEY_BYTES))
    return path.read_text("ascii").strip()


def _create(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as handle:
        handle.write(text + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    try:
        # A link fails where a rename would replace: of two processes that start at once, the first one's key stays.
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
