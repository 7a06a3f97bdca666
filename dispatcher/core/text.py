"""Text that outsiders write (names, identities, ids): how much of it is remembered, and how it is shown to people."""

from hashlib import blake2b
from typing import Final

from msgspec.json import encode

ID_MAX: Final = 32  # bytes of a SID, an id, a kind, a reason: LiveKit's own have 19 at most
IDENTITY_MAX: Final = 48  # bytes of an identity as a session remembers it; `agent-AJ_…` has 21, `user_<uuid>` 41
AGENT_MAX: Final = 64  # bytes of an agent's name that is not the configuration's
NAME_MAX: Final = 1_024  # bytes of a room's name, and of an identity: four times what LiveKit lets through unless told

_HASH: Final = 12  # bytes: to find a text that is cut to the same as another's takes 2^96 tries
_LONGEST: Final = 6  # bytes of JSON that one character may take


def brief(text: str, most: int) -> str:
    """The text where it takes `most` bytes of JSON at most; else cut there, with a hash of all of it at the end.

    So no text takes more than `most` + 25 bytes, and no two become one: what was cut is longer than whatever was kept.
    """
    if len(text) <= most and _size(text) <= most:
        return text
    kept = text[:most]
    while (over := _size(kept) - most) > 0:
        kept = kept[: -max(1, over // _LONGEST)]
    return f"{kept}~{blake2b(text.encode(), digest_size=_HASH).hexdigest()}"


def visible(text: str) -> str:
    r"""The text as a terminal may show it: what has no shape of its own is written out, as \n, \x1b or \u202e.

    So it stays on its line, turns nothing round, hides nothing and commands nothing.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _size(text: str) -> int:
    return len(encode(text)) - 2
