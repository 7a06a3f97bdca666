"""Shows people as marks: a caller's identity is a phone number, and so is a part of a SIP room's name.

The same person has the same mark in every process and at any time, as long as the key is the same. Without the key
nobody finds the number of a mark, even by trying all numbers.
"""

import hmac
import re
from typing import Final

from msgspec.structs import replace

from dispatcher.core.session import Session

_NUMBER: Final = re.compile(r"\+?(\d{7,})")  # as many digits as a phone number has at least, with its area
_MARK: Final = 8  # hexadecimal digits: of 10,000 people two share a mark in one case of a hundred
MARK: Final = re.compile(f"#[0-9a-f]{{{_MARK}}}")


class Mask:
    """Hides nobody until it has a key. All parts that show names share one mask; a reload gives it another key."""

    def __init__(self) -> None:
        self._key: bytes | None = None

    def use(self, key: bytes | None) -> None:
        """Show people by marks made with this key from now on; None: as they are."""
        self._key = key

    @property
    def hides(self) -> bool:
        """Whether the mask shows people by marks."""
        return self._key is not None

    def identity(self, text: str) -> str:
        """An identity's mark; nobody stays nobody."""
        if self._key is None or not text:
            return text
        return f"#{hmac.digest(self._key, text.encode(), 'sha256').hex()[:_MARK]}"

    def assignment(self, key: str) -> str:
        """An assignment's key, with the mark of the identity in it."""
        rule, slash, identity = key.partition("/")
        return f"{rule}{slash}{self.identity(identity)}"

    def numbers(self, text: str) -> str:
        """The text, with a mark for each number that could be a phone's, the same with a + before it and without."""
        if self._key is None:
            return text
        return _NUMBER.sub(lambda found: self.identity(found[1]), text)

    def session(self, session: Session) -> Session:
        """The session as it may be shown: with marks for people."""
        return replace(
            session,
            room=self.numbers(session.room),
            assignments=tuple(replace(one, identity=self.identity(one.identity)) for one in session.assignments),
            timeline=tuple(replace(entry, assignment=self.assignment(entry.assignment)) for entry in session.timeline),
        )

    def field(self, name: str, value: object) -> object:
        """A log line's field, by its name."""
        match name, value:
            case "assignment", str():
                return self.assignment(value)
            case "identity", str():
                return self.identity(value)
            case "room" | "path", str():
                return self.numbers(value)
            case _:
                return value
