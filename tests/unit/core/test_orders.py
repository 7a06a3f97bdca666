"""What somebody orders of a session: an agent of their own, that one goes, another try (docs/http.md)."""

from typing import Final

from msgspec.structs import replace

from dispatcher.core.events import Event
from dispatcher.core.facts import ROOM_FINISHED
from dispatcher.core.fold import fold
from dispatcher.core.orders import (
    SEALED_MAX,
    CancelAssignment,
    Order,
    RequestAgent,
    RetryAssignment,
    ordered,
    policy_for,
    room_for,
)
from dispatcher.core.rules import Target
from dispatcher.core.session import ASSIGNMENTS_MAX, Session, State
from dispatcher.core.timeline import Said, Verdict
from dispatcher.ledger import record
from tests.unit.core.scene import Scene
from tests.unit.core.world import LOBBY, NOW, agent, dispatch, job, person, rule, session

SALES: Final = RequestAgent(id="one", policy=policy_for((Target("sales"),)))
KEY: Final = "request:one"


def orders(scene: Scene, order: Order, by: str = "backend") -> None:
    """Somebody orders it."""
    heard = Event(id="", name="ordered", created_at=0, room=LOBBY, order=order, by=by)
    scene.session = fold(scene.session, heard, scene.rules, scene.now)


def served(order: RequestAgent = SALES) -> Scene:
    """A room without people, in which an ordered agent is at work; no rule asks for anybody."""
    scene = Scene(rule("nobody", "nobody", kinds=frozenset({"SIP"})))
    scene.on_create = scene.comes
    orders(scene, order)
    scene.run(2)
    return scene


def test_an_ordered_agent_comes_whatever_the_rules_say() -> None:
    """At once, into a room that has nobody in it; told with who ordered it."""
    scene = served()

    assert scene.agents() == ["agent-AD_1"]
    assert scene.state(KEY) is State.SERVED
    first = scene.session.timeline[0]
    assert (first.said, first.assignment, first.agent, first.by) == (Said.AGENT_ORDERED, KEY, "sales", "backend")


def test_how_soon_an_ordered_agent_came_is_since_it_was_ordered() -> None:
    """However long somebody had been there; what the metrics say of rules' agents stays what it was."""
    scene = Scene(rule("nobody", "nobody", kinds=frozenset({"SIP"})))
    scene.on_create = scene.comes
    scene.joins(person("alice"))
    scene.run(100)
    orders(scene, SALES)
    scene.run(5)

    (joined,) = [one for one in scene.session.timeline if one.said is Said.AGENT_JOINED]
    assert joined.took is not None
    assert joined.took < 5_000


def test_an_ordered_agent_whose_job_is_listed_late_came_when_it_was_seen() -> None:
    """Not 5 s later, when its job says whose it is (docs/livekit.md §0): else a first order looks slow."""
    scene = Scene(rule("nobody", "nobody", kinds=frozenset({"SIP"})))
    scene.on_create = lambda made: scene.joins(agent(f"agent-{made}", "sales"))
    orders(scene, SALES)
    scene.run(3)
    seen_since = scene.session.named_since
    assert scene.assignment(KEY).served_by_name
    scene.wait(2)
    scene.jobs("AD_1", job("agent-AD_1"))
    scene.run(5)

    (joined,) = [one for one in scene.session.timeline if one.said is Said.AGENT_JOINED]
    assert joined.took == seen_since - NOW < joined.at - NOW


def test_an_order_that_comes_again_adds_nobody() -> None:
    """However often, and when: its id makes it one (law 2)."""
    scene = served()
    for _ in range(3):
        orders(scene, SALES)
        scene.run(30)

    assert len(scene.creates) == 1
    assert scene.told(Said.AGENT_ORDERED) == 1


def test_two_orders_are_two_agents_and_neither_is_the_rules() -> None:
    """An operator who asks for another one wants one more than there is."""
    scene = Scene()
    scene.on_create = scene.comes
    scene.joins(person("alice"))
    scene.run(2)
    orders(scene, replace(SALES, id="a", policy=policy_for((Target("greeter"),))))
    orders(scene, replace(SALES, id="b", policy=policy_for((Target("greeter"),))))
    scene.run(40)

    assert len(scene.agents()) == 3
    assert [scene.state(key) for key in ("greeter", "request:a", "request:b")] == [State.SERVED] * 3


def test_a_rules_agent_comes_beside_an_ordered_one() -> None:
    """The order takes nobody's place: neither the room's, nor that of a person of its own."""
    each = rule("each", "greeter", per="participant")
    for one in (rule(), each):
        scene = Scene(one)
        scene.on_create = scene.comes
        orders(
            scene,
            replace(SALES, rule=one.name, identity="alice", policy=policy_for((Target("greeter"),), identity="alice")),
        )
        scene.joins(person("alice"))
        scene.run(5)
        assert len(scene.agents()) == 2


def test_somebody_elses_dispatch_is_not_the_ordered_one() -> None:
    """A token's dispatch of the same name serves the rules, and an order is for one more."""
    scene = Scene(rule("nobody", "nobody", kinds=frozenset({"SIP"})))
    scene.on_create = scene.comes
    scene.lists(dispatch("AD_token", "sales"))
    scene.comes("AD_token")
    orders(scene, SALES)
    scene.run(2)

    assert len(scene.creates) == 1
    assert len(scene.agents()) == 2


def test_an_agent_that_only_bears_the_name_is_not_the_ordered_one() -> None:
    """It serves by name where a rule asks; who orders is not kept waiting for its job."""
    scene = Scene(rule("nobody", "nobody", kinds=frozenset({"SIP"})))
    scene.joins(agent("stranger", "sales"))
    orders(scene, SALES)
    scene.settle()

    assert len(scene.creates) == 1


def test_an_ordered_agent_that_is_lost_is_replaced() -> None:
    """As a rule's is."""
    scene = served()
    scene.run(10)
    lost = next(one for one in scene.present.values() if one.is_agent)
    scene.leaves(lost, "CONNECTION_TIMEOUT")
    scene.run(10)

    assert scene.attempt(1, KEY).verdict is Verdict.CRASHED
    assert len(scene.agents()) == 1


def test_an_ordered_agent_that_is_done_is_done_for_good() -> None:
    """Whoever comes later gets what the rules say, and not what somebody once ordered."""
    scene = served()
    scene.joins(person("alice"))
    scene.run(10)
    leaver = next(one for one in scene.present.values() if one.is_agent)
    scene.leaves(replace(leaver, attributes={**leaver.attributes, "dispatcher.done": "goodbye"}))
    scene.run(5)
    scene.joins(person("bob"))
    scene.run(60)

    assert scene.state(KEY) is State.FINISHED
    assert len(scene.creates) == 1


def test_an_agent_ordered_for_somebody_waits_for_them_and_goes_with_them() -> None:
    """`identity` names whom it is for, of whatever kind."""
    order = replace(SALES, identity="alice", policy=policy_for((Target("sales"),), identity="alice"))
    scene = served(order)
    assert (scene.creates, scene.state(KEY)) == ([], State.IDLE)

    alice = scene.joins(person("alice", kind="INGRESS"))
    scene.run(3)
    assert scene.state(KEY) is State.SERVED
    scene.leaves(alice)
    scene.run(60)
    assert scene.agents() == []


def test_a_cancelled_agent_goes_and_nobody_comes_for_those_who_are_there() -> None:
    """The rules' agents alike; who comes later is new."""
    scene = Scene()
    scene.on_create = scene.comes
    scene.joins(person("alice"))
    scene.run(10)
    orders(scene, CancelAssignment(assignment="greeter"), by="maria")
    scene.run(60)

    assert (scene.agents(), scene.state()) == ([], State.FINISHED)
    assert scene.attempt().verdict is Verdict.CANCELLED
    assert [one.by for one in scene.session.timeline if one.said is Said.ASSIGNMENT_CANCELLED] == ["maria"]
    scene.joins(person("bob"))
    scene.run(5)
    assert len(scene.agents()) == 1


def test_a_cancelled_agent_that_comes_late_goes_too() -> None:
    """Its dispatch stays listed for a while, so that it is known whose it is."""
    scene = Scene()
    scene.joins(person("alice"))
    scene.run(1)
    orders(scene, CancelAssignment(assignment="greeter"))
    scene.run(2)
    scene.comes("AD_1")
    scene.run(60)

    assert (scene.agents(), scene.listed) == ([], {})
    assert len(scene.creates) == 1


def test_what_is_cancelled_is_taken_back_even_where_extra_agents_are_only_reported() -> None:
    """Somebody has said that it goes."""
    scene = Scene(rule(extra_agents="report"))
    scene.on_create = scene.comes
    scene.joins(person("alice"))
    scene.run(10)
    orders(scene, CancelAssignment(assignment="greeter"))
    scene.run(5)

    assert scene.agents() == []


def test_law_13_an_adopted_agent_stays_when_its_assignment_is_cancelled() -> None:
    """It is not ours; the assignment is done all the same."""
    scene = Scene()
    scene.lists(dispatch("AD_token", "greeter"))
    scene.joins(person("alice"))
    scene.comes("AD_token")
    scene.run(10)
    orders(scene, CancelAssignment(assignment="greeter"))
    scene.run(60)

    assert len(scene.agents()) == 1
    assert scene.creates == []


def test_an_adopted_agent_that_stayed_serves_who_comes_later() -> None:
    """Somebody else's, whose assignment was cancelled: ours beside it would be a second one."""
    scene = Scene()
    scene.lists(dispatch("AD_token", "greeter"))
    scene.joins(person("alice"))
    scene.comes("AD_token")
    scene.run(10)
    orders(scene, CancelAssignment(assignment="greeter"))
    scene.run(10)
    scene.joins(person("bob"))
    scene.run(60)

    assert scene.creates == []
    assert scene.state() is State.SERVED


def test_another_try_has_the_whole_budget_at_once() -> None:
    """Of one that starves: its next attempt was half a minute away."""
    scene = Scene(rule(attempts=1, confirm_early=False, retry_every=300_000))
    scene.joins(person("alice"))
    scene.run(14)
    assert (scene.state(), len(scene.creates)) == (State.STARVED, 1)

    orders(scene, RetryAssignment(assignment="greeter"), by="maria")
    scene.run(1)
    assert len(scene.creates) == 2
    assert [one.by for one in scene.session.timeline if one.said is Said.ASSIGNMENT_RETRIED] == ["maria"]


def test_another_try_undoes_a_cancellation() -> None:
    """At once, and after the look that has said for whom it is done."""
    for pause in (0, 20):
        scene = Scene()
        scene.on_create = scene.comes
        scene.joins(person("alice"))
        scene.run(10)
        orders(scene, CancelAssignment(assignment="greeter"))
        scene.run(pause) if pause else None
        orders(scene, RetryAssignment(assignment="greeter"))
        scene.run(20)
        assert len(scene.agents()) == 1, pause


def test_law_5_another_try_makes_no_second_attempt_beside_one_that_is_under_way() -> None:
    """It only has its budget back."""
    scene = Scene()
    scene.joins(person("alice"))
    scene.run(1)
    orders(scene, RetryAssignment(assignment="greeter"))
    scene.run(1)

    assert len(scene.creates) == 1


def test_orders_about_what_is_not_there_change_nothing_but_that_a_look_follows() -> None:
    """An assignment that is done, served, gone, or never was."""
    scene = served()
    for order in (
        CancelAssignment(assignment="nobody"),
        RetryAssignment(assignment="nobody"),
        RetryAssignment(assignment=KEY),
    ):
        before = scene.session
        orders(scene, order)
        assert scene.session == replace(before, stale=True)
    orders(scene, CancelAssignment(assignment=KEY))
    scene.run(5)
    before = scene.session
    orders(scene, CancelAssignment(assignment=KEY))
    assert scene.session == replace(before, stale=True)


def test_law_14_a_room_that_is_over_takes_no_order() -> None:
    """The API says so; what slips through adds nobody."""
    scene = served()
    scene.room = None
    scene.hear(ROOM_FINISHED)
    before = scene.session
    orders(scene, replace(SALES, id="two"))

    assert scene.session == before


def test_law_10_an_ordered_agent_is_known_again_by_its_tag() -> None:
    """The ledger was emptied: its dispatch says that it is ours, and no second one is asked for."""
    scene = served()
    scene.session = Session(room=LOBBY.name, sid=LOBBY.sid)
    scene.hear("swept")
    scene.run(60)

    assert scene.state(KEY) is State.SERVED
    assert (len(scene.creates), len(scene.agents())) == (1, 1)
    assert ordered("greeter", Target("sales")) is None
    assert ordered("greeter/one:two", Target("sales")) is None


def test_an_order_that_was_cancelled_does_not_come_back_with_an_emptied_ledger() -> None:
    """Its dispatch is still listed for a while; its job has ended, and its agent is gone."""
    scene = served()
    (made,) = scene.listed.values()
    orders(scene, CancelAssignment(assignment=KEY))
    scene.run(5)
    scene.lists(replace(made, jobs=tuple(replace(one, ended=True) for one in made.jobs)))
    scene.session = Session(room=LOBBY.name, sid=LOBBY.sid)
    scene.hear("swept")
    scene.run(60)

    assert len(scene.creates) == 1
    assert scene.session.find(KEY) is None


def test_that_a_rules_agent_was_cancelled_is_forgotten_with_the_ledger() -> None:
    """Its dispatch is deleted, and LiveKit shows nothing else of it: whoever is still there has an agent again."""
    scene = Scene()
    scene.on_create = scene.comes
    scene.joins(person())
    scene.run(2)
    orders(scene, CancelAssignment(assignment="greeter"))
    scene.run(60)
    assert (scene.state(), scene.agents(), scene.listed) == (State.FINISHED, [], {})

    scene.session = Session(room=LOBBY.name, sid=LOBBY.sid)
    scene.hear("swept")
    scene.run(1)
    assert scene.agents() == ["agent-AD_2"]


def test_law_8_a_session_has_room_for_so_many_orders_and_no_more() -> None:
    """What is left out is told; an idle assignment makes room."""
    scene = Scene()
    for number in range(ASSIGNMENTS_MAX + 2):
        orders(scene, replace(SALES, id=f"n{number}"))
    assert len(scene.session.assignments) == ASSIGNMENTS_MAX
    assert scene.told(Said.ASSIGNMENT_OMITTED) == 2
    assert not room_for(scene.session)

    orders(scene, CancelAssignment(assignment="request:n0"))
    assert room_for(scene.session)
    orders(scene, replace(SALES, id="late"))
    assert scene.session.find("request:n0") is None
    assert scene.session.find("request:late") is not None


def test_law_8_the_metadata_of_orders_is_bounded() -> None:
    """A record of orders alone fits, each with as much as there may be."""
    scene, half = Scene(), "x" * (SEALED_MAX // 2)
    for id_ in ("a", "b", "c"):
        orders(scene, replace(SALES, id=id_, sealed=half))

    assert [one.request for one in scene.session.assignments] == ["a", "b"]
    assert not room_for(scene.session, "x")
    assert len(record.dump(scene.session)) <= record.RECORD_MAX


def test_an_order_survives_the_ledger() -> None:
    """In the inbox, and in the record."""
    order = replace(SALES, sealed="sealed", rule="greeter")
    said = Event(id="1", name="ordered", created_at=0, room=LOBBY, order=order, by="backend")
    assert record.load_event(record.dump_event(said)) == said

    after = fold(session(), said, (), NOW)
    assert record.load(record.dump(after), after.room, after.sid) == after
