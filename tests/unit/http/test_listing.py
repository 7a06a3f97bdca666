"""Pages of rooms: what matches, in which order, and that nothing is missed or shown twice while rooms change."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import convert

from dispatcher.core.effects import Then
from dispatcher.core.facts import PROBE_ROOMS, RoomSid
from dispatcher.core.rules import Policy, Target
from dispatcher.core.session import Assignment, Session
from dispatcher.http import listing
from dispatcher.http.asked import RoomsAsked
from dispatcher.http.listing import Pages
from dispatcher.http.problems import ApiError
from dispatcher.ledger import record
from dispatcher.ledger.interface import Key, Standing, Telling
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.ledger.order import Order
from dispatcher.telemetry.masks import Mask

PROJECTS = ("p1", "p2")


class Home:
    """A memory ledger at a time of the test's, and its pages."""

    def __init__(self) -> None:
        self.now = 1_795_000_000_000
        self.ledger = MemoryLedger(lambda: self.now)
        self.mask = Mask()
        self.pages = Pages(self.ledger, self.mask)

    async def saved(self, key: Key, *assignments: Assignment, then: Then = Then.REST) -> None:
        """The session was handled, and stands so."""
        delivery = await self.ledger.deliver(key, "", b"{}")
        assert delivery.handover is not None
        session = Session(room=key.room, sid=RoomSid(key.sid), assignments=assignments, finished=then is Then.OVER)
        index = [
            Standing(one.state, one.next_target.agent, one.waiting_since if one.attended else 0) for one in assignments
        ]
        await self.ledger.save(
            delivery.handover.lease, record.dump(session), delivery.handover.upto, then, telling=Telling(index=index)
        )

    async def listed(self, projects: Sequence[str] = PROJECTS, **asked: object) -> list[str]:
        """The sids of all pages."""
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            more = {"cursor": cursor} if cursor else {}
            rooms, cursor = await self.pages.page(convert({**asked, **more}, RoomsAsked), projects)
            found += [room.sid for room in rooms]
        return found


def wants(agent: str = "sales", rule: str = "line", since: int = 0) -> Assignment:
    """An assignment that somebody waits for since then; 0: nobody is there."""
    return Assignment(rule=rule, policy=Policy(targets=(Target(agent),)), attended=since > 0, waiting_since=since)


async def test_rooms_are_narrowed_by_what_one_assignment_is() -> None:
    """State, agent and rule are of the same assignment; the text is the room's name, or the sid."""
    home = Home()
    for sid, room, *assignments in (
        ("RM_1", "Lobby", wants("sales", "line", since=5)),
        ("RM_2", "kitchen", wants("chef", "meal", since=3), wants("sales", "line")),
        ("RM_3", "lobby-2", wants("sales", "other")),
        ("RM_4", "hall"),
    ):
        await home.saved(Key("p1", room, sid), *assignments)
        home.now += 1

    assert await home.listed() == ["RM_4", "RM_3", "RM_2", "RM_1"]
    assert await home.listed(limit=1) == ["RM_4", "RM_3", "RM_2", "RM_1"]
    assert await home.listed(agent="sales") == ["RM_3", "RM_2", "RM_1"]
    assert await home.listed(agent="sales", state="waiting") == ["RM_1"]
    assert await home.listed(agent="sales", rule="line", state="idle") == ["RM_2"]
    assert await home.listed(rule="other", limit=1) == ["RM_3"]
    assert await home.listed(q="LOB") == ["RM_3", "RM_1"]
    assert await home.listed(q="RM_4") == ["RM_4"]
    assert await home.listed(sort="wait") == ["RM_2", "RM_1"]
    assert await home.listed(sort="wait", agent="sales", state="waiting") == ["RM_1"]
    assert await home.listed(projects=["p2"]) == []


async def test_rooms_that_have_ended_are_listed_when_they_are_asked_for() -> None:
    """The last one first, narrowed as live ones are, with the time of their end."""
    home = Home()
    for sid, *assignments in (("RM_1", wants("sales")), ("RM_2", wants("chef")), ("RM_3", wants("sales", "other"))):
        await home.saved(Key("p1", f"room-{sid}", sid), *assignments, then=Then.OVER)
        home.now += 1
    await home.saved(Key("p1", "alive", "RM_4"), wants("sales"))

    assert await home.listed(sort="ended") == ["RM_3", "RM_2", "RM_1"]
    assert await home.listed(sort="ended", limit=1) == ["RM_3", "RM_2", "RM_1"]
    assert await home.listed(sort="ended", agent="sales") == ["RM_3", "RM_1"]
    assert await home.listed(sort="ended", state="idle", rule="line") == ["RM_2", "RM_1"]
    assert await home.listed(sort="ended", state="served") == []
    assert await home.listed(sort="ended", q="rm_2") == ["RM_2"]
    [newest, *_], _ = await home.pages.page(RoomsAsked(sort=Order.ENDED), PROJECTS)
    assert (newest.finished, newest.ended_at) == (True, home.now - 1)
    [living], _ = await home.pages.page(RoomsAsked(), PROJECTS)
    assert (living.finished, living.ended_at) == (False, None)


async def test_a_hidden_number_is_not_found_by_its_digits() -> None:
    """What is shown is what is searched."""
    home = Home()
    await home.saved(Key("p1", "call-442079460000", "RM_1"))
    assert await home.listed(q="4420794") == ["RM_1"]
    home.mask.use(b"key")
    assert await home.listed(q="4420794") == []
    assert await home.listed(q="call-#") == ["RM_1"]


async def test_a_search_without_end_ends_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page has the rooms that were found in time, or none; its cursor goes on behind them."""
    home = Home()
    for n in range(9):
        await home.saved(Key("p1", f"room-{n}", f"RM_{n}"))
        home.now += 1
    monkeypatch.setattr(listing, "SEARCH_S", 0.0)
    monkeypatch.setattr(listing, "BATCH", 2)
    rooms, cursor = await home.pages.page(RoomsAsked(q="room-0"), PROJECTS)
    assert (rooms, cursor is None) == ((), False)
    assert await home.listed(q="room-0") == ["RM_0"]
    assert len(await home.listed(limit=5)) == 9


@pytest.mark.parametrize("cursor", ["", "?", "ünïcode", "bmV3ZXN0", "d2FpdAAxAHAxAFJNXzE", "x" * 5_000, "AAAA"])
async def test_a_cursor_that_no_page_has_named_is_refused(cursor: str) -> None:
    """Or that a page of another order has named."""
    with pytest.raises(ApiError) as caught:
        await Home().pages.page(RoomsAsked(cursor=cursor), PROJECTS)
    assert (caught.value.status, caught.value.body.field) == (400, "cursor")


steps = st.lists(st.tuples(st.sampled_from(["opened", "ended", "waits", "served"]), st.integers(0, 11)), max_size=6)


@settings(deadline=None)
@given(
    order=st.sampled_from(Order),
    limit=st.integers(1, 4),
    born=st.lists(st.tuples(st.sampled_from(PROJECTS), st.integers(0, 1), st.integers(0, 3)), max_size=12),
    changes=st.lists(steps, max_size=12),
)
def test_what_does_not_change_is_listed_once(
    order: Order, limit: int, born: list[tuple[str, int, int]], changes: list[list[tuple[str, int]]]
) -> None:
    """Whatever else opens, ends, begins to wait or is served between two pages; and in order."""
    asyncio.run(_once(order, limit, born, changes))


async def _once(
    order: Order, limit: int, born: list[tuple[str, int, int]], changes: list[list[tuple[str, int]]]
) -> None:
    home = Home()
    keys = [Key(project, f"room-{n}", f"RM_{n}") for n, (project, _, _) in enumerate(born)]
    sinces = [home.now - 10 + since if since else 0 for _, _, since in born]
    places: dict[str, tuple[int, str, str]] = {}
    for key, (_, later, _), since in zip(keys, born, sinces, strict=True):
        home.now += later
        await home.saved(key, wants(since=since), then=Then.OVER if order is Order.ENDED else Then.REST)
        places[key.sid] = (since if order is Order.WAIT else home.now, key.project, key.sid)
    touched: set[str] = set()
    ended = set(places) if order is Order.ENDED else set[str]()
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        asked = convert({"sort": order, "limit": limit} | ({"cursor": cursor} if cursor else {}), RoomsAsked)
        rooms, cursor = await home.pages.page(asked, PROJECTS)
        assert len(rooms) <= limit
        found += [room.sid for room in rooms]
        for what, n in changes.pop() if changes else ():
            home.now += 1
            if n < len(keys) and keys[n].sid in ended:
                continue
            touched.add(sid := await _changed(home, keys, what, n))
            ended |= {sid} if what == "ended" else set()
    expected = [sid for sid, (at, _, _) in places.items() if (at or order is not Order.WAIT) and sid not in touched]
    ordered = sorted(expected, key=places.__getitem__, reverse=order is not Order.WAIT)
    assert [sid for sid in found if sid not in touched] == ordered


async def _changed(home: Home, keys: list[Key], what: str, n: int) -> str:
    key = keys[n] if n < len(keys) and what != "opened" else Key("p1", "new", f"RM_new{home.now}")
    since = home.now if what == "waits" else 0
    await home.saved(key, wants(since=since), then=Then.OVER if what == "ended" else Then.REST)
    return key.sid


async def test_a_probe_s_room_is_listed_to_who_looks_for_it_alone() -> None:
    """By its name, as that of any room."""
    home = Home()
    await home.saved(Key("p1", "lobby", "RM_1"), wants())
    await home.saved(Key("p1", f"{PROBE_ROOMS}default:1", "RM_2"), wants())

    assert await home.listed() == ["RM_1"]
    assert await home.listed(q=PROBE_ROOMS) == ["RM_2"]
