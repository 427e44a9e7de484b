"""Pseudonyms of personal data: keyed hashes, so that a guess cannot be tested without this stack's key."""

import hmac
import secrets
from collections.abc import Callable
from pathlib import Path

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.guard.tokens import stored_text

KEY_FILE = "pseudonym_key"
FINGERPRINT_FILE = "pseudonym_key.fingerprint"
"""In the home, not beside the key: without it, a lost key would be generated again, and all pseudonyms would change."""
KEY_BYTES = 32
PSEUDONYM_BYTES = 16

Pseudonymize = Callable[[str, str], str]
"""Maps the kind of a value (`client`, `user`, `author`) and the value to 32 hexadecimal digits.

The kind is hashed as well: the same text has different pseudonyms as a client and as a user.
"""


def pseudonymizer(key: bytes) -> Pseudonymize:
    """HMAC-SHA-256 under `key`, cut to 16 bytes."""

    def pseudonymize(kind: str, value: str) -> str:
        message = f"{kind}\0{value}".encode(errors="surrogatepass")
        return hmac.digest(key, message, "sha256")[:PSEUDONYM_BYTES].hex()

    return pseudonymize


def load_key(settings: Settings) -> bytes:
    """This stack's key, generated on first use. The same key always gives the same pseudonyms.

    Raises:
        Terminal: pseudonyms were made with another key than the one in the file, or the file is lost.
    """
    path, mark = settings.secrets / KEY_FILE, settings.root / FINGERPRINT_FILE
    if mark.exists() and not path.exists():
        raise Terminal(f"The key of the pseudonyms, {path}, is lost.", remedy=_remedy(mark))
    key = bytes.fromhex(stored_text(path, lambda: secrets.token_hex(KEY_BYTES)))
    fingerprint = pseudonymizer(key)("fingerprint", "")
    if stored_text(mark, lambda: fingerprint) != fingerprint:
        raise Terminal(f"{path} is not the key that the pseudonyms were made with.", remedy=_remedy(mark))
    return key


def _remedy(mark: Path) -> str:
    return (
        "Restore the file from a backup. To begin with a new key, by which every visitor, user and author is"
        f" another one, remove {mark}."
    )
