"""The looks at one launch's room: until one of them says that it has to end. A look that fails says nothing."""

import asyncio
from typing import Final

from dispatcher.core.facts import Ms
from dispatcher.launcher.judgement import RoomSeen, Sight, judged
from dispatcher.launcher.launch import Launch, LaunchEnd, LaunchState
from dispatcher.launcher.ways import Ways
from dispatcher.livekit.failures import LiveKitError

LOOK_SOON_S: Final = 0.2  # between two looks until the process is there, and while it or its owner is missing
LOOK_S: Final = 5.0  # between two looks after that; a webhook makes it look at once
BEFORE_S: Final = 1.0  # for the look before its process starts
SPACED_S: Final = 0.1  # between a webhook and the look that it causes


class LaunchLooks:
    """Looks at the room of one process of a launch."""

    def __init__(self, launch: Launch, join_within: Ms, ways: Ways) -> None:
        self.launch = launch
        self._join_within = join_within
        self._ways = ways
        self._sight = Sight()

    async def before(self) -> None:
        """Remember who has its identity before it is there: one that was killed is shown as ACTIVE for 20 s more.

        To be asked before its process starts: else its own participant might be taken for that one. Where LiveKit does
        not answer, whoever has the identity counts as its own.
        """
        try:
            async with asyncio.timeout(BEFORE_S):
                seen = await self._ways.rooms.look(self.launch.project, self.launch.room)
        except (LiveKitError, TimeoutError):
            return
        self._sight.strangers = frozenset({seen.active.get(self.launch.identity, "")})

    async def until_judged(self) -> LaunchEnd:
        """Look again and again, until what is seen ends the launch."""
        launch, rooms, sight = self.launch, self._ways.rooms, self._sight
        news, troubled = rooms.watch(launch.project, launch.room), False
        try:
            while True:
                try:
                    seen = await rooms.look(launch.project, launch.room)
                except LiveKitError as error:
                    if not troubled:
                        self._ways.recorder.unseen(launch, error.reason)
                    troubled = True
                else:
                    troubled = False
                    self._note(seen)
                    if why := judged(launch, sight, seen, self._join_within):
                        return why
                await _wait(news, LOOK_S if launch.joined_boot and sight.calm else LOOK_SOON_S)
        finally:
            rooms.leave(launch.project, launch.room, news)

    def _note(self, seen: RoomSeen) -> None:
        launch = self.launch
        was, before = launch.joined_boot, launch.participant
        self._sight.note(launch, seen)
        if launch.joined_boot and not was:
            launch.state = LaunchState.JOINED
            self._ways.recorder.joined(launch)
        if launch.participant != before:
            self._ways.save(launch)


async def _wait(news: asyncio.Event, seconds: float) -> None:
    """Until something is told, `seconds` at most; then a moment more, as many webhooks may come at once."""
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return
    await asyncio.sleep(SPACED_S)
    news.clear()
