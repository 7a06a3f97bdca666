"""Who is told of workers, and counted, when addresses change their minds; nothing is asked over a network."""

from collections.abc import Sequence

from dispatcher.core.workers import Missing, Registered
from dispatcher.targets.presence import ADDRESSES_MAX, Presence
from dispatcher.targets.worker_http import WorkerEndpoint, WorkerHttp
from tests.unit.desk import Desk

GREETER = Registered(agent="greeter")
OTHER = Registered(agent="nobody-asks-for-it", ready=False)


class Staged(WorkerHttp):
    """Workers as values: what each address answers, and which addresses a name has."""

    def __init__(self) -> None:
        self.answers: dict[str, Registered | Missing] = {}
        self.names: dict[str, Sequence[str] | Missing] = {}

    async def places(self, url: str) -> Sequence[WorkerEndpoint] | Missing:
        found = self.names.get(url, [url])
        return found if isinstance(found, Missing) else [WorkerEndpoint(one, one, one) for one in found]

    async def ask(self, place: WorkerEndpoint) -> Registered | Missing:
        return self.answers[place.address]


class Round:
    """A desk with workers to ask."""

    def __init__(self, *urls: str) -> None:
        self.desk = Desk()
        self.http = Staged()
        self.now = 0
        self.urls = urls
        self.presence = Presence(lambda: self.urls, self.http, lambda: self.now, self.desk.log, self.desk.metrics)

    async def poll(self, **answers: Registered | Missing) -> list[tuple[str, str]]:
        """One round, in which addresses answer this; what was told of which address."""
        before = len(self.desk.lines)
        self.http.answers |= answers
        self.now += 1_000
        await self.presence.poll()
        return [(line["action"], line["address"]) for line in self.desk.lines[before:]]


async def test_a_change_is_told_once() -> None:
    """Who answers, who does not and why, and another one at the same address; not that all is as it was."""
    here = Round("a", "b")

    assert await here.poll(a=GREETER, b=Missing.REFUSED) == [("worker.answered", "a"), ("worker.unanswered", "b")]
    assert await here.poll() == []
    assert await here.poll(a=Registered(agent="greeter", jobs=3)) == []
    assert await here.poll(b=Missing.TIMEOUT) == [("worker.unanswered", "b")]
    assert await here.poll(a=OTHER, b=GREETER) == [("worker.answered", "a"), ("worker.answered", "b")]
    assert [line["why"] for line in here.desk.lines if "why" in line] == ["refused", "timeout"]


async def test_a_name_is_all_its_addresses() -> None:
    """As they are at each round; one that does not resolve is told as the name."""
    here = Round("dns+http://agents:8081")
    here.http.names["dns+http://agents:8081"] = ["a", "b"]
    assert await here.poll(a=GREETER, b=GREETER) == [("worker.answered", "a"), ("worker.answered", "b")]
    assert here.presence.seen.registered == {"greeter": 2}

    here.http.names["dns+http://agents:8081"] = ["b"]
    assert await here.poll() == []
    assert here.presence.seen.registered == {"greeter": 1}

    here.http.names["dns+http://agents:8081"] = Missing.UNRESOLVED
    assert await here.poll() == [("worker.unanswered", "dns+http://agents:8081")]
    assert not here.presence.seen.answering


async def test_no_more_addresses_are_asked_than_there_is_room_for() -> None:
    """Whatever a name resolves to."""
    here = Round("many")
    here.http.names["many"] = [f"a{number}" for number in range(ADDRESSES_MAX + 1)]
    await here.poll(**dict.fromkeys(here.http.names["many"], GREETER))

    assert len(here.presence.seen.answers) == ADDRESSES_MAX


async def test_workers_are_counted_by_agents_that_rules_name() -> None:
    """And questions by their answers; who has gone is not counted any more."""
    here = Round("a", "b", "c")
    await here.poll(a=GREETER, b=OTHER, c=Missing.BROKEN)
    assert here.desk.value("workers", agent="greeter") == 1
    assert here.desk.value("workers", agent="other") == 1
    await here.poll(a=Missing.REFUSED)

    assert here.desk.registry.get_sample_value("livekit_dispatcher_workers", {"agent": "greeter"}) is None
    polls = {result: here.desk.value("worker_polls_total", result=result) for result in ("ok", "unready", "refused")}
    assert polls == {"ok": 1, "unready": 2, "refused": 1}
