"""Seals the metadata of ordered agents: it must survive a restart, and nobody who reads the ledger may read it.

The key is derived from the project's secret, for one room's life and one order: what is sealed for one opens for no
other.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from dispatcher.core.errors import DispatcherError

_PURPOSE: Final = b"dispatcher: metadata of orders"


class Unsealable(DispatcherError):
    """None of the project's secrets opens it: it was sealed with one that is configured no more, or not by us."""


class Seals:
    """Seals with the first secret, and opens what any of them has sealed, so that they can be rotated.

    Nothing of it shows when it is printed.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secret.encode() for secret in secrets)

    def seal(self, text: str, *about: str) -> str:
        """The text, to be opened with the same `about`: ASCII, some 1.4 times as long and 140 characters more."""
        return self._box(about).encrypt(text.encode()).decode()

    def open(self, sealed: str, *about: str) -> str:
        """The text that was sealed. Raises Unsealable."""
        try:
            return self._box(about).decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise Unsealable from None

    def _box(self, about: Iterable[str]) -> MultiFernet:
        context = b"\0".join((_PURPOSE, *(part.encode() for part in about)))
        return MultiFernet([Fernet(urlsafe_b64encode(hmac.digest(one, context, "sha256"))) for one in self._secrets])
