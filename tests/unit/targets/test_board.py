"""What is known of targets, told from replica to replica."""

import json
from collections.abc import Sequence

import pytest

from dispatcher.core.hour import last_hour
from dispatcher.core.rules import Target
from dispatcher.core.targets import UNKNOWN, Join, News, Silence, TargetFacts, learn
from dispatcher.core.timeline import Entry, Said, Verdict
from dispatcher.ledger.interface import LedgerUnavailable, Telling
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.targets.board import FRESH_MS, NEWS_MAX, READ_MAX, Board
from dispatcher.telemetry.logs import Log
from tests.unit.core.world import GREETER, NOW, assignment, attempt, person, session
from tests.unit.desk import PROJECT, Desk, Staged, Watch

SALES = Target("sales", "canary")
SILENT = Entry(
    at=NOW, said=Said.ATTEMPT_ENDED, assignment="greeter", number=1, agent="greeter", verdict=Verdict.SILENT, took=9_000
)

UNSENT = Entry(at=NOW, said=Said.ATTEMPT_ENDED, assignment="greeter", number=1, agent="greeter", verdict=Verdict.UNSENT)


class Replicas:
    """Boards over one ledger, and what they have logged."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.ledger = MemoryLedger(self.watch)
        self.lines: list[str] = []

    def board(self) -> Board:
        """Another replica's."""
        return Board(self.ledger, Log(self.lines.append, lambda: 0.0))

    async def told_while_seen(self, board: Board, at: int) -> None:
        """The board's news are told, and a worker is seen while they are; then these news are told, too."""
        replace_memo = self.ledger.replace_memo

        async def meanwhile(name: str, before: bytes | None, after: bytes, *, telling: Telling) -> bytes | None:
            board.worker_seen("p", GREETER, at)
            return await replace_memo(name, before, after, telling=telling)

        self.ledger.replace_memo = meanwhile  # type: ignore[method-assign, assignment]
        await board.flush()
        self.ledger.replace_memo = replace_memo  # type: ignore[method-assign]
        await board.flush()

    def told(self) -> list[tuple[str, str, str]]:
        """What was logged: action, project, agent."""
        lines = map(json.loads, self.lines)
        return [(line["action"], line["project"], line["agent"]) for line in lines]


async def facts(board: Board, target: Target = GREETER, project: str = "p", *, now: int = NOW) -> TargetFacts:
    """What the board knows of one target."""
    [known] = await board.facts(project, [target], now)
    return known


async def test_what_one_replica_tells_the_others_know() -> None:
    """At once where it happened, elsewhere when it has been told and read anew; of that target alone."""
    here = Replicas()
    one, other = here.board(), here.board()
    assert await facts(other) == UNKNOWN
    one.worker_seen("p", GREETER, NOW)
    assert (await facts(one)).seen_at == NOW
    await one.flush()

    assert await facts(other) == UNKNOWN
    assert (await facts(other, now=NOW + 1_000)).seen_at == NOW
    assert await facts(other, SALES) == await facts(other, project="q") == UNKNOWN


async def test_a_turn_brings_the_newest() -> None:
    """The memo that came with it takes the place of what was read before, and what is new here counts on top."""
    board = Replicas().board()
    await facts(board)
    board.worker_seen("p", GREETER, NOW)

    assert board.heard("p", GREETER, b'{"seen_at":5,"probed_at":7}', NOW) == TargetFacts(seen_at=NOW, probed_at=7)


async def test_a_memo_that_came_with_a_turn_is_fresh_though_it_is_the_same() -> None:
    """The ledger is not asked for it again within FRESH_MS."""
    here = Replicas()
    board = here.board()
    await facts(board)
    board.heard("p", GREETER, None, NOW + FRESH_MS - 1)

    here.watch.broken = True
    assert await facts(board, now=NOW + 2 * FRESH_MS - 2) == UNKNOWN
    with pytest.raises(LedgerUnavailable):
        await facts(board, now=NOW + 2 * FRESH_MS - 1)


async def test_what_two_tell_at_the_same_time_is_not_lost() -> None:
    """Each had read the same; the second learns what the first has told."""
    here = Replicas()
    one, other = here.board(), here.board()
    for board, room in ((one, "RM_1"), (other, "RM_2")):
        await facts(board)
        board.learn("p", session(assignment(attempt(dispatch="AD_1")), sid=room), [SILENT])
    await one.flush()
    await other.flush()

    silences = (await facts(here.board())).silences
    assert silences == tuple(Silence(NOW - 9_000, NOW, room) for room in ("RM_1", "RM_2"))
    assert (await facts(other)).silences == silences


async def test_what_came_of_attempts_is_counted_over_all_replicas() -> None:
    """Once each, though both count the same number within the same minute, and one is told twice."""
    here = Replicas()
    one, other = here.board(), here.board()
    for board, room in ((one, "RM_1"), (other, "RM_2")):
        await facts(board)
        board.learn("p", session(assignment(attempt()), sid=room), [UNSENT])
    await one.flush()
    one.learn("p", session(assignment(attempt()), sid="RM_1"), [UNSENT])
    await one.flush()
    await other.flush()

    assert last_hour([(await facts(here.board())).hour], NOW).failed == 2


async def test_each_of_the_news_is_learnt_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the facts are asked for until they are told: a create costs the same, however many there are."""
    here, learnt = Replicas(), list[int]()
    board = here.board()

    def counting(known: TargetFacts, news: Sequence[News]) -> TargetFacts:
        learnt.append(len(news))
        return learn(known, news)

    monkeypatch.setattr("dispatcher.targets.board.learn", counting)
    for n in range(50):
        board.worker_seen("p", GREETER, NOW + n)
        assert (await facts(board)).seen_at == NOW + n
    assert sum(learnt) == 50
    await board.flush()
    assert (await facts(board)).seen_at == (await facts(here.board())).seen_at == NOW + 49


async def test_what_is_new_at_the_end_is_told() -> None:
    """A restart forgets nothing; where the ledger cannot be asked, nothing holds the end up."""
    here = Replicas()
    board = here.board()
    board.worker_seen("p", GREETER, NOW)
    here.watch.broken = True
    await board.stop()
    here.watch.broken = False
    assert await facts(here.board()) == UNKNOWN
    await board.stop()

    assert (await facts(here.board())).seen_at == NOW


async def test_a_memo_of_an_earlier_release_is_read_and_counted_on() -> None:
    """It has no hour."""
    here = Replicas()
    await here.ledger.replace_memo("p/greeter", None, b'{"seen_at":5,"joins":[[5,300]]}')
    board = here.board()
    board.learn("p", session(assignment(attempt())), [UNSENT])
    await board.flush()
    known = await facts(here.board())

    assert (known.seen_at, known.joins) == (5, (Join(5, 300),))
    assert last_hour([known.hour], NOW).failed == 1


async def test_what_changes_a_circuit_is_told_once() -> None:
    """By the replica whose news it was."""
    here = Replicas()
    one, other = here.board(), here.board()
    for board, room in ((one, "RM_1"), (other, "RM_2")):
        board.learn("p", session(assignment(attempt(dispatch="AD_1")), sid=room), [SILENT])
        await board.flush()
    assert here.told() == [("circuit.opened", "p", "greeter")]
    other.worker_seen("p", GREETER, NOW + 1)
    await other.flush()
    one.worker_seen("p", GREETER, NOW + 2)
    one.no_worker("p", SALES, NOW)
    await one.flush()

    assert here.told()[1:] == [("circuit.closed", "p", "greeter"), ("circuit.opened", "p", "sales@canary")]


async def test_while_the_ledger_cannot_be_asked_news_are_kept() -> None:
    """And told when it can; of very many the newest."""
    here = Replicas()
    board = here.board()
    for n in range(NEWS_MAX + 10):
        board.worker_seen("p", GREETER, NOW + n)
    here.watch.broken = True
    with pytest.raises(LedgerUnavailable):
        await board.flush()
    here.watch.broken = False
    await board.flush()

    assert (await facts(here.board())).seen_at == NOW + NEWS_MAX + 9


async def test_of_very_many_news_that_wait_all_count_here_and_the_newest_are_told() -> None:
    """Also of those that come while the others are told."""
    here = Replicas()
    board = here.board()
    for n in range(NEWS_MAX + 10):
        board.worker_seen("p", GREETER, NOW + n)
    await facts(board)
    here.watch.broken = True
    with pytest.raises(LedgerUnavailable):
        await board.flush()
    here.watch.broken = False
    assert len(board._news["p/greeter"]) == NEWS_MAX  # noqa: SLF001
    board.worker_seen("p", GREETER, NOW + 5_000)
    assert (await facts(board)).seen_at == NOW + 5_000
    await here.told_while_seen(board, NOW + 9_000)

    assert (await facts(here.board())).seen_at == NOW + 9_000


async def test_what_comes_after_news_that_changed_nothing_counts_here() -> None:
    """The memo stayed as it was, and the news were told all the same."""
    board = Replicas().board()
    board.worker_seen("p", GREETER, NOW)
    await board.flush()
    board.worker_seen("p", GREETER, NOW - 5)
    assert (await facts(board)).seen_at == NOW
    await board.flush()
    board.worker_seen("p", GREETER, NOW + 5)

    assert (await facts(board)).seen_at == NOW + 5


async def test_what_changes_nothing_is_not_written() -> None:
    """A sign of life that is older than another; and a memo that nobody can read is written anew."""
    here = Replicas()
    board = here.board()
    await here.ledger.replace_memo("p/greeter", None, b"of another release")
    board.worker_seen("p", GREETER, NOW)
    await board.flush()
    [memo] = await here.ledger.memos(["p/greeter"])
    board.worker_seen("p", GREETER, NOW - 5)
    await board.flush()

    assert await here.ledger.memos(["p/greeter"]) == [memo] == [b'{"seen_at":%d}' % NOW]


async def test_what_comes_while_it_is_told_is_told_next() -> None:
    """Nothing is lost between."""
    here = Replicas()
    board = here.board()
    board.worker_seen("p", GREETER, NOW)
    await here.told_while_seen(board, NOW + 9)

    assert (await facts(here.board())).seen_at == NOW + 9


async def test_a_memo_that_others_keep_replacing_is_left_for_the_next_time() -> None:
    """The news is kept."""
    here = Replicas()
    board, turns = here.board(), iter(range(100))
    board.worker_seen("p", GREETER, NOW)
    replace_memo = here.ledger.replace_memo

    async def others(_name: str, _before: bytes | None, _after: bytes, **_notices: object) -> bytes | None:
        return b'{"probed_at":%d}' % next(turns)

    here.ledger.replace_memo = others  # type: ignore[method-assign, assignment]
    await board.flush()
    here.ledger.replace_memo = replace_memo  # type: ignore[method-assign]
    assert (await facts(board)).seen_at == NOW
    await board.flush()

    assert (await facts(here.board())).seen_at == NOW


async def test_how_many_agents_a_project_waits_for_is_read_once_a_second() -> None:
    """Assignments whose agent was asked for; another project's are its own."""
    desk = Desk(livekit=Staged(person()))
    board = Board(desk.ledger, desk.log)
    assert await board.requested(PROJECT, NOW) == 0
    await desk.hear(who=person())
    await desk.drive()

    assert [await board.requested(PROJECT, NOW + later) for later in (999, 1_000)] == [0, 1]
    assert await board.requested("another", NOW + 1_000) == 0


async def test_law_8_of_very_many_targets_not_all_are_remembered() -> None:
    """What is forgotten is read again."""
    board = Replicas().board()
    for n in range(READ_MAX + 5):
        await facts(board, Target(f"agent-{n}"))

    assert len(board._read) <= READ_MAX  # noqa: SLF001
