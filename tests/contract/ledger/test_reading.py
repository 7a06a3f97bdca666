from msgspec.structs import replace

from dispatcher.core.effects import Then
from dispatcher.core.timing import LEASE_MS
from dispatcher.ledger.interface import (
    LIVE_TTL_MS,
    LIVES_MAX,
    Counts,
    Key,
    Ledger,
    Life,
    Standing,
    Telling,
)
from dispatcher.ledger.order import Order, Position
from tests.contract.ledger.homes import KEY, OTHER, START, Home, held

FAR = Key("p2", "lobby", "RM_9")
ASKED = Standing("requested", "greeter")
SERVED = Standing("served", "greeter")


async def place(ledger: Ledger, key: Key, then: Then, *lines: Standing, due_at: int = 0) -> None:
    """The session was handled and saved so."""
    mine = await held(ledger, key)
    await ledger.save(mine.lease, b"record", mine.upto, then, due_at=due_at, telling=Telling(index=lines))


async def test_a_room_name_finds_its_lives_newest_first(home: Home) -> None:
    """Live and ended sessions of the name, and none of another project or name."""
    ended, live = Key("p1", "lobby", "RM_a"), Key("p1", "lobby", "RM_b")
    await place(home.ledger, ended, Then.OVER)
    home.advance(1)
    await place(home.ledger, live, Then.DUE, due_at=START + 700)
    await place(home.ledger, OTHER, Then.REST)
    await place(home.ledger, FAR, Then.REST)

    assert await home.ledger.find("p1", "lobby") == [
        Life(key=live, record=b"record", born=START + 1, due_at=START + 700),
        Life(key=ended, record=b"record", born=START, due_at=None, ended_at=START),
    ]


async def test_only_a_due_session_shows_a_due_time(ledger: Ledger) -> None:
    """Held and at rest, there is none."""
    mine = await held(ledger)
    life = Life(key=KEY, record=None, born=START, due_at=None)
    assert await ledger.find("p1", "lobby") == [life]

    await ledger.save(mine.lease, b"record", mine.upto, Then.REST)
    assert await ledger.find("p1", "lobby") == [replace(life, record=b"record")]


async def test_a_session_is_born_once(home: Home) -> None:
    """What comes later, and its end, change nothing of when it was first heard of; the list says so too."""
    await place(home.ledger, KEY, Then.REST)
    home.advance(5)
    await home.ledger.deliver(KEY, "e2", b"again", take=False)

    assert [life.born for life in await home.ledger.list("p1")] == [START]
    await place(home.ledger, KEY, Then.OVER)
    assert [life.born for life in await home.ledger.find("p1", "lobby")] == [START]


async def test_an_unknown_name_has_no_lives(ledger: Ledger) -> None:
    """Nothing is found, and nothing made, by asking."""
    assert await ledger.find("p1", "nowhere") == []
    assert await ledger.counts() == Counts(due=0, held=0, rest=0)


async def test_a_name_remembers_its_newest_lives(home: Home) -> None:
    """A name that comes back for ever is found LIVES_MAX times; what is not found is still there."""
    keys = [Key("p1", "lobby", f"RM_{n}") for n in range(LIVES_MAX + 1)]
    for key in keys:
        await place(home.ledger, key, Then.REST)
        home.advance(1)

    found = await home.ledger.find("p1", "lobby")

    assert [life.key for life in found] == keys[:0:-1]
    assert await home.ledger.touch(keys) == set()


async def test_a_session_nobody_touches_is_forgotten_after_a_day(home: Home) -> None:
    """At rest or due, it is gone from every list, and an event begins it anew."""
    await place(home.ledger, KEY, Then.REST, SERVED)
    await place(home.ledger, OTHER, Then.DUE, ASKED)

    home.advance(LIVE_TTL_MS)

    assert await home.ledger.touch([KEY, OTHER]) == {KEY, OTHER}
    assert await home.ledger.counts() == Counts(due=0, held=0, rest=0)
    assert await home.ledger.standings() == {}
    assert await home.ledger.list("p1") == []
    assert await home.ledger.claim(10) == ([], None)
    assert (await held(home.ledger)).record is None


async def test_an_expired_session_cannot_be_saved(home: Home) -> None:
    """A holder that comes back after a day finds its lease lost, and the session is not resurrected."""
    mine = await held(home.ledger)

    home.advance(LIVE_TTL_MS)

    assert await home.ledger.renew(mine.lease) is None
    assert await home.ledger.find("p1", "lobby") == []


async def test_touched_sessions_live_on(home: Home) -> None:
    """The sweep keeps alive what LiveKit still lists, and learns what is missing here."""
    await place(home.ledger, KEY, Then.REST)
    home.advance(LIVE_TTL_MS - 1)

    assert await home.ledger.touch([KEY, OTHER]) == {OTHER}

    home.advance(LIVE_TTL_MS - 1)
    assert await home.ledger.touch([]) == set()
    assert await home.ledger.counts() == Counts(due=0, held=0, rest=1)


async def test_a_touch_changes_no_place(home: Home) -> None:
    """Due stays due at its time, held stays held until its lease ends."""
    await place(home.ledger, OTHER, Then.DUE, due_at=START + 500)
    await held(home.ledger, KEY)
    home.advance(100)

    await home.ledger.touch([KEY, OTHER])

    assert await home.ledger.counts() == Counts(due=1, held=1, rest=0)
    assert await home.ledger.claim(10) == ([], 400)
    home.advance(LEASE_MS - 100)
    assert len((await home.ledger.claim(10))[0]) == 2


async def test_an_event_lets_a_session_live_on(home: Home) -> None:
    """Whatever changes a live session renews it, for one that is held as well."""
    await held(home.ledger)
    home.advance(LIVE_TTL_MS - 1)
    await home.ledger.deliver(KEY, "", b"more", take=False)

    home.advance(LIVE_TTL_MS - 1)

    assert await home.ledger.touch([KEY]) == set()


async def test_each_live_session_is_in_exactly_one_place(ledger: Ledger) -> None:
    """Law 7: the three counts add up to the live sessions."""
    await place(ledger, KEY, Then.REST)
    await place(ledger, OTHER, Then.DUE)
    await held(ledger, FAR)
    await place(ledger, Key("p1", "gone", "RM_0"), Then.OVER)

    assert await ledger.counts() == Counts(due=1, held=1, rest=1)


async def test_standings_count_assignments_by_project_state_and_agent(ledger: Ledger) -> None:
    """Several assignments of a session in the same state count each."""
    await place(ledger, KEY, Then.REST, SERVED, SERVED, ASKED)
    await place(ledger, OTHER, Then.DUE, ASKED)
    await place(ledger, FAR, Then.REST, SERVED)

    assert await ledger.standings() == {("p1", SERVED): 2, ("p1", ASKED): 2, ("p2", SERVED): 1}


async def test_a_save_replaces_what_a_session_stands_for(ledger: Ledger) -> None:
    """The old lines go, none is left at zero, and a checkpoint counts like any save."""
    await place(ledger, KEY, Then.REST, ASKED)
    mine = await held(ledger)

    await ledger.save(mine.lease, b"record", mine.upto, Then.KEEP, telling=Telling(index=[SERVED]))

    assert await ledger.standings() == {("p1", SERVED): 1}


async def test_an_ended_session_stands_for_nothing(ledger: Ledger) -> None:
    """Standings are of live sessions, whatever index the last save carried."""
    await place(ledger, KEY, Then.REST, SERVED)
    await place(ledger, KEY, Then.OVER, SERVED)

    assert await ledger.standings() == {}


async def test_the_list_shows_live_sessions_of_a_project_newest_first(home: Home) -> None:
    """Other projects and ended sessions are not in it."""
    for key, then in ((KEY, Then.REST), (Key("p1", "gone", "RM_0"), Then.OVER), (FAR, Then.REST), (OTHER, Then.DUE)):
        await place(home.ledger, key, then)
        home.advance(1)

    assert [life.key for life in await home.ledger.list("p1")] == [OTHER, KEY]


async def test_what_has_expired_takes_no_place_in_a_page(home: Home) -> None:
    """Else a page without any would be taken for the last one."""
    for n in range(3):
        await place(home.ledger, Key("p1", "lobby", f"RM_{n}"), Then.REST)
        home.advance(1)
    home.advance(LIVE_TTL_MS - 4)
    await home.ledger.touch([Key("p1", "lobby", "RM_0")])
    home.advance(LIVE_TTL_MS // 2)

    assert [life.key.sid for life in await home.ledger.list("p1", limit=2)] == ["RM_0"]


async def test_the_list_is_narrowed_to_a_state(ledger: Ledger) -> None:
    """A session is shown if one of its assignments is in the state."""
    await place(ledger, KEY, Then.REST, SERVED, ASKED)
    await place(ledger, OTHER, Then.DUE, SERVED)

    assert [life.key for life in await ledger.list("p1", "requested")] == [KEY]


async def test_the_list_has_an_end(home: Home) -> None:
    """`limit` sessions at most, the newest."""
    for n in range(3):
        await place(home.ledger, Key("p1", f"room-{n}", f"RM_{n}"), Then.REST)
        home.advance(1)

    assert [life.key.sid for life in await home.ledger.list("p1", limit=2)] == ["RM_2", "RM_1"]


async def test_the_list_goes_on_after_a_position(home: Home) -> None:
    """Newest first, by sid at the same instant; the session that stood there may be gone."""
    for sid in ("RM_1", "RM_3", "RM_2"):
        await place(home.ledger, Key("p1", sid, sid), Then.REST, ASKED)
    home.advance(1)
    await place(home.ledger, OTHER, Then.REST, SERVED)

    async def sids(state: str | None = None, after: Position | None = None) -> list[str]:
        return [life.key.sid for life in await home.ledger.list("p1", state, after=after, limit=2)]

    assert await sids() == [OTHER.sid, "RM_3"]
    assert await sids(after=Position(START, "RM_3")) == ["RM_2", "RM_1"]
    await place(home.ledger, Key("p1", "RM_2", "RM_2"), Then.OVER)
    assert await sids("requested", after=Position(START, "RM_2")) == ["RM_1"]
    assert await sids(after=Position(START, "RM_1")) == []
    assert await sids("served", after=Position(START + 1, OTHER.sid)) == []


async def test_who_waits_longest_is_listed_first(home: Home) -> None:
    """Only while somebody waits; of several waits in a session the longest counts; standings know no waits."""
    waits = {"RM_1": (START - 5, START - 900), "RM_2": (START - 7,), "RM_3": (), "RM_4": (START - 7,)}
    for sid, since in waits.items():
        lines = (Standing("waiting", "greeter", one) for one in since)
        await place(home.ledger, Key("p1", sid, sid), Then.REST, SERVED, *lines)

    async def sids(after: Position | None = None, limit: int = 2) -> list[tuple[str, int]]:
        lives = await home.ledger.list("p1", order=Order.WAIT, after=after, limit=limit)
        return [(life.key.sid, life.waiting_since) for life in lives]

    assert await sids() == [("RM_1", START - 900), ("RM_2", START - 7)]
    assert await sids(after=Position(START - 7, "RM_2")) == [("RM_4", START - 7)]
    assert (await home.ledger.standings())["p1", Standing("waiting", "greeter")] == 4
    await place(home.ledger, Key("p1", "RM_1", "RM_1"), Then.REST, SERVED)
    await place(home.ledger, Key("p1", "RM_2", "RM_2"), Then.OVER)
    assert await sids(limit=9) == [("RM_4", START - 7)]
    assert await home.ledger.list("p2", order=Order.WAIT) == []
