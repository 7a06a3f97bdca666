"""Signs the tags of dispatches (`core.tags`), with a key that every replica derives from the project's secret.

Nothing else is signed with it, and a signature says no more of the secret than any of LiveKit's own tokens does.
"""

import hmac
from collections.abc import Iterable
from typing import Final

_PURPOSE: Final = b"dispatcher: tags of dispatches"
_DIGITS: Final = 32  # hexadecimal: 128 bits, of which somebody without the key guesses none


class ProjectSigner:
    """Signs with the first secret, and accepts the signature of any of them, so that they can be rotated.

    Nothing of it shows when it is printed.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._keys = tuple(hmac.digest(secret.encode(), _PURPOSE, "sha256") for secret in secrets)

    def sign(self, text: str) -> str:
        """The text's signature."""
        return _signature(self._keys[0], text)

    def signed(self, text: str, signature: str) -> bool:
        """Whether one of the secrets has signed the text; compared in constant time."""
        given = signature.encode(errors="replace")
        return any(hmac.compare_digest(_signature(key, text).encode(), given) for key in self._keys)


def _signature(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()[:_DIGITS]
