"""Looks for who asks: few at a time, and what they show as it may be shown."""

import asyncio
from typing import cast

from msgspec.structs import replace

from dispatcher.core.facts import Room
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.http.live import AT_ONCE, JUDGED_MAX, RULES_MAX, Live, RuleAnswers
from dispatcher.ledger.interface import Key
from dispatcher.livekit.client import LiveKit
from dispatcher.livekit.failures import Reason, Unavailable
from dispatcher.runtime.snapshot import ConfigHolder, ConfigSnapshot
from dispatcher.telemetry.masks import MARK, Mask
from tests.unit.core.world import LOBBY, agent, only, person, rule
from tests.unit.desk import CONFIG, runtime

KEY = Key("default", "lobby", LOBBY.sid)
SHOWN = RoomSnapshot(room=LOBBY, participants=(agent(), person()))


class FakeLiveKit:
    """Shows one room, when it is let."""

    def __init__(self, *, fails: bool = False) -> None:
        self.let = asyncio.Event()
        self.let.set()
        self.fails = fails

    async def look(self, _room: str, _sid: str) -> RoomSnapshot:
        await self.let.wait()
        if self.fails:
            raise Unavailable("ListRooms", Reason.TIMEOUT)
        return SHOWN

    async def room(self, name: str) -> Room | None:
        if self.fails:
            raise Unavailable("ListRooms", Reason.TIMEOUT)
        return LOBBY if name == LOBBY.name else None


def live(livekit: FakeLiveKit, mask: Mask | None = None) -> Live:
    """Looks at this LiveKit."""
    project = runtime(livekit=cast("LiveKit", livekit))
    return Live(ConfigHolder(ConfigSnapshot(config=CONFIG, projects={"default": project})), mask or Mask())


async def test_a_look_shows_the_room() -> None:
    """By its session, or by its name alone."""
    looks = live(FakeLiveKit())

    assert await looks.look(KEY) == SHOWN
    assert await looks.find("default", "lobby") == SHOWN
    assert await looks.find("default", "attic") == RoomSnapshot(room=None)


async def test_a_livekit_that_does_not_answer_shows_nothing() -> None:
    """Nor does that of a project that has left the configuration."""
    looks = live(FakeLiveKit(fails=True))

    assert await looks.look(KEY) is None
    assert await looks.find("default", "lobby") is None
    assert await looks.look(Key("gone", "lobby", "RM_1")) is None


async def test_no_more_than_so_many_are_looked_at_at_once() -> None:
    """Who comes later is answered without a look; afterwards there is room again."""
    livekit = FakeLiveKit()
    livekit.let.clear()
    looks = live(livekit)
    waiting = [asyncio.ensure_future(looks.look(KEY)) for _ in range(AT_ONCE)]
    await asyncio.sleep(0)
    assert await looks.look(KEY) is None
    livekit.let.set()
    assert await asyncio.gather(*waiting) == [SHOWN] * AT_ONCE
    assert await looks.look(KEY) == SHOWN


async def test_everybody_is_told_against_each_rule() -> None:
    """People first; the room itself where a rule is for rooms."""
    looks = live(FakeLiveKit())
    rules = (rule("bob", when=only("bob")), rule("everybody"))

    told = await looks.judged(SHOWN, rules)
    assert told[0] == RuleAnswers(
        "alice", "STANDARD", ("bob        no: its condition is false", "everybody  yes: everybody")
    )
    assert told[1] == RuleAnswers("agent-AJ_1", "AGENT", ("no rule is asked: agents never want an agent",))
    assert len(told) == 2
    scribe = (rule("scribe", trigger="room_started"),)
    assert (await looks.judged(SHOWN, scribe))[-1] == RuleAnswers("", "", ("scribe  yes: scribe",))
    assert await looks.judged(RoomSnapshot(room=None), rules) == []


async def test_a_crowd_and_many_rules_are_cut_short() -> None:
    """The first to join; and it is said that there are more rules."""
    looks = live(FakeLiveKit())
    crowd = replace(SHOWN, participants=tuple(person(f"p{number}", joined_at=number) for number in range(20)))
    told = await looks.judged(crowd, tuple(rule(f"r{number}", when=only()) for number in range(RULES_MAX + 2)))

    assert [one.identity for one in told] == [f"p{number}" for number in range(JUDGED_MAX)]
    assert told[0].rules[-1] == "and 2 more rules"
    assert len(told[0].rules) == RULES_MAX + 1


async def test_people_are_shown_as_marks_where_identities_are_masked() -> None:
    """In what a look shows, and beside what rules say."""
    mask = Mask()
    mask.use(b"a key")
    looks = live(FakeLiveKit(), mask)
    shown = looks.shown(SHOWN)
    [told, _] = await looks.judged(SHOWN, (rule("everybody"),))

    assert all(MARK.fullmatch(one.identity) for one in shown.participants)
    assert MARK.fullmatch(told.identity)
