"""What receivers are owed: gathered, ordered, sent once and again, and given up after a day."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core import timing
from dispatcher.core.facts import Ms
from dispatcher.core.notices import (
    EMPTY,
    SAMPLES_MAX,
    SUBSCRIBABLE,
    THREADS_MAX,
    Effect,
    Happening,
    Message,
    NoticeKind,
    Pacing,
    Queue,
    being_sent,
    due_messages,
    effect_of,
    gather,
    make_messages,
    next_try,
    retry_in,
    settled,
    waiting,
)

NOW: Final[Ms] = 1_700_000_000_000
PACING: Final = Pacing(wait=5_000, interval=60_000)
STARVED, RECOVERED, RELEASED = NoticeKind.ROOM_STARVED, NoticeKind.ROOM_RECOVERED, NoticeKind.ROOM_RELEASED


def happening(kind: NoticeKind = STARVED, agent: str = "greeter", room: str = "lobby", at: Ms = NOW) -> Happening:
    """One of project p."""
    return Happening(kind=kind, at=at, project="p", agent=agent, room=room)


def gathered(*happenings: Happening, queue: Queue = EMPTY, now: Ms = NOW) -> Queue:
    """The queue with these, each posted under an id of its own."""
    posted = [(f"{now}-{number}", one) for number, one in enumerate(happenings)]
    return gather(queue, posted, SUBSCRIBABLE, PACING, now)


def made(queue: Queue, now: Ms) -> Queue:
    """What leaves then has been made."""
    return make_messages(queue, PACING, now, receiver="ops")


def under_way(queue: Queue) -> list[Message]:
    """Its messages."""
    return [thread.message for thread in queue.threads.values() if thread.message]


def sent(queue: Queue, now: Ms) -> tuple[Queue, list[Message]]:
    """All that is due by then, taken one after the other, and what is left."""
    out: list[Message] = []
    while True:
        queue = made(queue, now)
        due = due_messages(queue, now)
        if not due:
            return queue, out
        queue, message = being_sent(queue, due[0], now)
        out.append(message)
        queue = settled(queue, message, None)


def test_an_outage_of_5000_rooms_is_one_message() -> None:
    """It leaves seconds after the first room; what still comes after it is one more, an interval later."""
    queue, out = EMPTY, []
    for second in range(20):
        now = NOW + second * 1_000
        queue = gathered(*(happening(room=f"room-{second}-{n}", at=now) for n in range(250)), queue=queue, now=now)
        queue, messages = sent(queue, now)
        out += messages
    queue, later = sent(queue, NOW + PACING.wait + PACING.interval)

    assert [(one.kind, one.total, one.open) for one in out] == [(STARVED, 1_500, 1_500)]
    assert [(one.kind, one.total, one.open) for one in later] == [(STARVED, 3_500, 5_000)]
    assert len(out[0].samples) == SAMPLES_MAX


def test_what_comes_after_a_message_waits_for_the_interval() -> None:
    """One now, then at most one for each interval."""
    queue, first = sent(gathered(happening()), NOW + PACING.wait)
    queue = gathered(happening(room="b"), happening(room="c"), queue=queue, now=NOW + 6_000)

    queue, early = sent(queue, NOW + PACING.wait + PACING.interval - 1)
    queue, late = sent(queue, NOW + PACING.wait + PACING.interval)

    assert ([one.total for one in first], early, [one.total for one in late]) == ([1], [], [2])


def test_the_first_message_waits_for_its_like() -> None:
    """Not a millisecond less, and it leaves then."""
    queue = gathered(happening())

    assert sent(queue, NOW + PACING.wait - 1)[1] == []
    assert len(sent(queue, NOW + PACING.wait)[1]) == 1


def test_what_closes_never_leaves_before_what_opens() -> None:
    """The second 'starved' waits for its interval; the recovery is due at once, and takes it along."""
    queue, _ = sent(gathered(happening()), NOW + PACING.wait)
    queue = gathered(
        happening(room="b"), happening(RECOVERED), happening(RECOVERED, room="b"), queue=queue, now=NOW + 1
    )

    _, out = sent(queue, NOW + 1 + PACING.wait)

    assert [(one.kind, one.total, one.open) for one in out] == [(STARVED, 1, 0), (RECOVERED, 2, 0)]


def test_one_message_of_a_thread_is_under_way_at_a_time() -> None:
    """While the receiver is away the next one gathers, however long it takes."""
    queue = made(gathered(happening()), NOW + PACING.wait)
    queue = gathered(*(happening(room=f"r{n}") for n in range(99)), queue=queue, now=NOW + PACING.wait)

    queue = made(queue, NOW + 10 * PACING.interval)

    assert [one.total for one in under_way(queue)] == [1]
    assert waiting(queue) == 100


def test_agents_and_subjects_are_threads_of_their_own() -> None:
    """A circuit's news and another agent's wait for nobody."""
    kinds = [happening(), happening(agent="sales"), happening(NoticeKind.CIRCUIT_OPENED)]

    _, out = sent(gathered(*kinds), NOW + PACING.wait)

    assert {(one.kind, one.agent) for one in out} == {
        (STARVED, "greeter"),
        (STARVED, "sales"),
        (NoticeKind.CIRCUIT_OPENED, "greeter"),
    }


def test_how_many_are_open_is_counted_by_room() -> None:
    """A recovery and a release close one each; more than were opened close nothing else."""
    queue, _ = sent(gathered(*(happening(room=room) for room in "abc")), NOW + PACING.wait)

    queue = gathered(happening(RECOVERED), happening(RELEASED), queue=queue, now=NOW + 9_000)
    _, out = sent(queue, NOW + 9_000 + PACING.wait)
    _, over = sent(gathered(*[happening(RECOVERED)] * 9, queue=queue, now=NOW + 10_000), NOW + 90_000)

    assert [(one.kind, one.open) for one in out] == [(RECOVERED, 1), (RELEASED, 1)]
    assert {one.open for one in over} == {0}


def test_a_livekit_has_one_incident_whatever_it_is_called() -> None:
    """It refuses the key, then fails: one recovery closes all of it."""
    kinds = [NoticeKind.KEY_REFUSED, NoticeKind.LIVEKIT_FAILING, NoticeKind.LIVEKIT_RECOVERED]

    _, out = sent(gathered(*(happening(kind, agent="") for kind in kinds)), NOW + PACING.wait)

    assert [(one.kind, one.open) for one in out] == [(kind, 0) for kind in kinds]


def test_what_was_collected_before_is_not_collected_again() -> None:
    """Whoever collected it died before the ledger had lost it."""
    posted = [("1", happening()), ("2", happening())]
    queue = gather(EMPTY, posted, SUBSCRIBABLE, PACING, NOW)

    again = gather(queue, [*posted, ("3", happening())], SUBSCRIBABLE, PACING, NOW)

    assert (waiting(queue), waiting(again)) == (2, 3)
    assert again.collected == ("1", "2", "3")


def test_only_the_kinds_that_are_wanted_are_gathered() -> None:
    """The others are collected all the same: they are never asked for again."""
    queue = gather(EMPTY, [("1", happening()), ("2", happening(RECOVERED))], {RECOVERED}, PACING, NOW)

    assert [batch.kind for thread in queue.threads.values() for batch in thread.gathering] == [RECOVERED]
    assert queue.collected == ("1", "2")


def test_threads_are_bounded() -> None:
    """Beyond THREADS_MAX agents are not told apart; nothing is lost."""
    queue = gathered(*(happening(agent=f"agent-{n}") for n in range(THREADS_MAX + 50)))

    assert len(queue.threads) <= THREADS_MAX + 1
    assert waiting(queue) == THREADS_MAX + 50


def test_a_thread_that_has_nothing_more_to_say_is_forgotten() -> None:
    """Not before the interval is over: until then it spaces what comes; and not while something is open."""
    queue, _ = sent(gathered(happening(NoticeKind.AGENT_UNREQUESTED)), NOW + PACING.wait)
    assert made(queue, NOW + PACING.wait + PACING.interval - 1).threads
    assert not made(queue, NOW + PACING.wait + PACING.interval).threads

    queue, _ = sent(gathered(happening()), NOW + PACING.wait)
    assert made(queue, NOW + 100 * PACING.interval).threads


def test_whoever_sends_has_the_message_alone_for_a_while() -> None:
    """Then it is anybody's: its sender has died."""
    queue, message = being_sent(made(gathered(happening()), NOW + 5_000), *_due(NOW + 5_000))

    assert due_messages(queue, NOW + 5_000 + timing.NOTICE_TRY_MS - 1) == []
    assert due_messages(queue, NOW + 5_000 + timing.NOTICE_TRY_MS) == [message]


def _due(now: Ms) -> tuple[Message, Ms]:
    return due_messages(made(gathered(happening()), now), now)[0], now


def test_a_message_keeps_its_id_and_what_it_tells_through_all_its_tries() -> None:
    """A receiver knows it again by its id."""
    queue = made(gathered(happening()), NOW + 5_000)
    ids, now = set(), NOW + 5_000
    for number in range(1, 5):
        queue, message = being_sent(queue, due_messages(queue, now)[0], now)
        ids.add((message.id, message.total, message.made_at))
        assert message.tries == number
        now = next_try(message, now) or 0
        queue = settled(queue, message, now)

    assert len(ids) == 1


def test_it_is_tried_for_a_day_and_then_given_up() -> None:
    """Seldom, in the end: once an hour or so."""
    queue = made(gathered(happening()), NOW)
    now, tries = NOW + PACING.wait, 0
    queue = made(queue, now)
    [message] = under_way(queue)
    at: Ms | None = now
    while at is not None:
        now = at
        queue, message = being_sent(queue, message, now)
        tries += 1
        at = next_try(message, now)
        queue = settled(queue, message, at)

    assert under_way(queue) == []
    assert 0.95 * timing.NOTICE_DAY_MS < now - message.made_at <= timing.NOTICE_DAY_MS
    assert 24 < tries < 60


def test_a_receiver_that_says_when_is_not_asked_before() -> None:
    """Its Retry-After is longer than our backoff."""
    message = under_way(made(gathered(happening()), NOW + 5_000))[0]

    assert next_try(message, NOW, after=120_000) == NOW + 120_000


@given(st.integers(1, 10_000), st.text(max_size=9))
def test_a_backoff_doubles_up_to_an_hour_spread_by_a_quarter(tries: int, spread_by: str) -> None:
    """The same for the same message and try."""
    plain = min(timing.NOTICE_BACKOFF_MS * 2 ** min(tries - 1, 30), timing.NOTICE_BACKOFF_CAP_MS)

    assert 0.75 * plain <= retry_in(tries, spread_by) <= 1.25 * plain
    assert retry_in(tries, spread_by) == retry_in(tries, spread_by)


def test_what_is_settled_late_changes_nothing() -> None:
    """Somebody else has sent it meanwhile, or the next one is under way."""
    queue, message = being_sent(made(gathered(happening()), NOW + 5_000), *_due(NOW + 5_000))
    done = settled(queue, message, None)

    assert settled(done, message, NOW) == done
    assert settled(EMPTY, message, NOW) == EMPTY


@given(
    st.lists(
        st.tuples(
            st.sampled_from(SUBSCRIBABLE),
            st.sampled_from(["greeter", "sales", ""]),
            st.integers(0, 30_000),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_nothing_is_lost_and_nothing_told_twice(steps: list[tuple[NoticeKind, str, int, bool]]) -> None:
    """Whatever happens when, and whenever the receiver answers: at the end it was told of each, once."""
    queue, now, told = EMPTY, NOW, 0
    for number, (kind, agent, later, answers) in enumerate(steps):
        now += later
        queue = gather(queue, [(str(number), happening(kind, agent=agent, at=now))], SUBSCRIBABLE, PACING, now)
        queue = made(queue, now)
        for message in due_messages(queue, now):
            queue, trying = being_sent(queue, message, now)
            queue = settled(queue, trying, None if answers else now + 1)
            told += trying.total if answers else 0
    for _ in range(len(SUBSCRIBABLE)):
        now += 10 * PACING.interval
        queue, out = sent(queue, now)
        told += sum(message.total for message in out)

    assert told == len(steps)
    assert waiting(queue) == 0


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_kind_has_an_effect(kind: NoticeKind) -> None:
    """Of those that nobody subscribes to, too."""
    assert effect_of(kind) in Effect
