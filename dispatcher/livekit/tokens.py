"""Tokens for calls to LiveKit: one for each grant, made once and used until it is old (docs/adr/0055)."""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from livekit.api import AccessToken, VideoGrants

GOOD_FOR_S: Final = 600  # what LiveKit is told
USED_FOR_S: Final = 300  # half of it: a call may wait, and clocks differ
KEPT_MAX: Final = 4_096  # rooms at a time; each takes 0.5 kB


class Tokens:
    """One project's. `clock` gives seconds of the epoch, as tokens do, and may step: then a new one is made."""

    def __init__(self, key: str, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._secret = secret
        self._clock = clock
        self._made: OrderedDict[str, tuple[float, str]] = OrderedDict()  # by room; "": for the list of rooms

    def to_list_rooms(self) -> str:
        """A token that lists the project's rooms."""
        return self._token("", VideoGrants(room_list=True))

    def for_room(self, room: str) -> str:
        """A token that reads and changes one room: who is in it, and its dispatches."""
        return self._token(room, VideoGrants(room_admin=True, room=room))

    def _token(self, room: str, grants: VideoGrants) -> str:
        now = self._clock()
        made = self._made.get(room)
        if made is not None and 0 <= now - made[0] < USED_FOR_S:
            self._made.move_to_end(room)
            return made[1]
        access = AccessToken(self._key, self._secret).with_ttl(timedelta(seconds=GOOD_FOR_S)).with_grants(grants)
        token = access.to_jwt()
        self._made[room] = (now, token)
        self._made.move_to_end(room)
        if len(self._made) > KEPT_MAX:
            self._made.popitem(last=False)
        return token
