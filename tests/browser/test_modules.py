"""What the page computes, by tables, in the browser that runs it: the event stream, the picture, the words."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from dispatcher.core.text import visible
from tests.browser.browsing import Tab, browser, tab
from tests.integration.house import house

pytestmark = pytest.mark.real

STREAM: Final = (
    ': a comment\n\nid: 1-0\nevent: room\ndata: {"room": "lobby",\ndata:  "at": 5}\n\n'
    "event: gap\r\ndata: null\r\n\r\nid: 2\ndata: no JSON\n\nevent: never ended\ndata: 1\n"
)
HEARD: Final = [
    {"id": "1-0", "event": "room", "data": {"room": "lobby", "at": 5}},
    {"event": "gap", "data": None},
    {"id": "2", "event": "message", "data": None},
]
KEY: Final = {"assignment": "line"}
STORY: Final[dict[str, Any]] = {
    "finished": False,
    "present": [{"identity": "alice", "kind": "STANDARD", "agent": None, "joined_at": 900}],
    "assignments": [
        {
            **KEY,
            "state": "served",
            "attempts": [{"number": 2, "agent": "greeter", "ours": True, "started_at": 4_100, "verdict": "open"}],
        }
    ],
    "timeline": [
        {**KEY, "at": 1_000, "event": "assignment.created", "number": 0, "agent": "sales"},
        {**KEY, "at": 1_100, "event": "dispatch.requested", "number": 1, "agent": "sales"},
        {**KEY, "at": 4_000, "event": "attempt.ended", "number": 1, "agent": "sales", "verdict": "silent"},
        {**KEY, "at": 4_100, "event": "dispatch.requested", "number": 2, "agent": "greeter"},
        {**KEY, "at": 4_150, "event": "attempt.retracted", "number": 1, "agent": "sales", "part": "dispatch"},
        {**KEY, "at": 4_500, "event": "agent.joined", "number": 2, "agent": "greeter", "duration_ms": 3_600},
    ],
}

SPANS: Final = {
    0: "0.00 s",
    320: "0.32 s",
    9_940: "9.9 s",
    42_900: "42 s",
    192_000: "3 min 12 s",
    7_500_000: "2 h 5 min",
    273_600_000: "3 d 4 h",
}


@pytest.fixture
async def door() -> AsyncIterator[Tab]:
    """The page at its door: its modules can be imported."""
    async with house() as here, browser() as chromium, tab(chromium, here.service.admin_url, token=None) as shown:
        await shown.page.get_by_label("API token").wait_for()
        yield shown


async def computed(door: Tab, module: str, script: str, argument: object = None) -> Any:  # noqa: ANN401 - JSON
    """What the script makes of the module, called `it`, and of the argument."""
    asked = f"""async argument => {{
        const main = document.querySelector('script[type=module]').src;
        const it = await import(new URL('{module}', main).href);
        {script}
    }}"""
    return await door.page.evaluate(asked, argument)


async def test_a_stream_of_events_is_read_however_it_is_cut(door: Tab) -> None:
    """Cut at each place in turn; what has not ended is not told."""
    script = """
        const all = [];
        for (let at = 0; at <= argument.length; at++) {
          const heard = [];
          const read = it.reader(one => heard.push(one));
          read(argument.slice(0, at));
          read(argument.slice(at));
          all.push(JSON.stringify(heard));
        }
        return [...new Set(all)].map(one => JSON.parse(one));"""

    assert await computed(door, "events.js", script, STREAM) == [HEARD]


async def test_the_picture_has_a_lane_for_everybody_and_each_attempt(door: Tab) -> None:
    """With bars from when to when, and a sign for what was taken back."""
    told = await computed(door, "story.js", "return it.picture(argument, 10_000);", STORY)
    bars = [[(bar["from"], bar["to"], bar["colour"]) for bar in lane["bars"]] for lane in told["lanes"]]

    assert (told["from"], told["to"], told["busy"], told["left"]) == (900, 10_000, 4_500, 0)
    assert [lane["kind"] for lane in told["lanes"]] == ["person", "assignment", "attempt", "attempt"]
    assert bars == [
        [(900, 10_000, "person")],
        [(1_000, 4_500, "wait")],
        [(1_100, 4_000, "silent")],
        [(4_100, 4_500, "coming"), (4_500, 10_000, "serving")],
    ]
    assert [(sign["at"], sign["kind"]) for sign in told["lanes"][1]["signs"]] == [(4_150, "back")]


async def test_the_parts_of_the_time_come_to_all_of_it(door: Tab) -> None:
    """From the first person's joining, by which LiveKit counts, to the agent's."""
    parts = await computed(door, "story.js", "return it.timeSpent(argument, argument.assignments[0], 10_000);", STORY)

    assert [(part["name"], part["ms"]) for part in parts] == [
        ("until a webhook told of it", 100),
        ("until it had its turn", 100),
        ("attempt 1 at sales: silent", 2_900),
        ("between two attempts", 100),
        ("LiveKit, and the start of greeter", 400),
    ]
    assert sum(part["ms"] for part in parts) == 3_600


async def test_spans_are_read_at_a_glance(door: Tab) -> None:
    """Two units at most."""
    said = await computed(door, "words.js", "return argument.map(it.span);", list(SPANS))

    assert said == list(SPANS.values())


async def test_what_has_no_shape_is_written_out(door: Tab) -> None:
    """As the commands and the log do."""
    odd = "a\u202eb\u0007\r\n\t\u200b\u00a0 \u2028\U000e0001é部\\"

    assert await computed(door, "words.js", "return it.visible(argument);", odd) == visible(odd)


async def test_what_is_wrong_is_told_in_the_services_own_sentences(door: Tab) -> None:
    """That it is a dry run stands above all views, and not here; an older release tells nothing."""
    script = "return argument.map(stats => it.troublesOf(stats).map(one => one.kind));"
    told = {"this_replica": {"troubles": [{"kind": "dry_run"}, {"kind": "ledger_failing"}, {"kind": "config_refused"}]}}

    assert await computed(door, "incoming.js", script, [told, None]) == [["ledger_failing", "config_refused"], []]


LEFT = """
    const {state, change} = await import(new URL('store.js', main).href);
    const kept = ['agents', 'stats', 'waiting', 'rooms', 'room', 'cursors', 'asking', 'told', 'user'];
    const left = () => kept.filter(one => ![null, ''].includes(state[one]) && (one !== 'cursors' || state[one].length));
    change({asking: {subject: 'lobby'}, told: 'done', cursors: ['next'], filter: {q: 'lobby', state: '', project: ''}});
    const before = left();
"""
KNOWN = ["agents", "stats", "waiting", "rooms", "cursors", "asking", "told", "user"]


async def test_signed_out_the_page_knows_nothing_of_what_it_was_told(door: Tab) -> None:
    """Nor what was typed: whoever signs in next sees no moment of it."""
    await door.sign_in()
    await door.page.get_by_role("region", name="Agents").wait_for()
    script = f"""{LEFT}
        document.querySelector('.user button').click();
        return [before, left(), state.filter.q, state.door];
    """
    assert await computed(door, "store.js", script) == [KNOWN, [], "", "sign-in"]


async def test_a_token_that_ends_takes_what_it_saw_with_it(door: Tab) -> None:
    """As if its user had signed out."""
    await door.sign_in()
    await door.page.get_by_role("region", name="Agents").wait_for()
    script = f"""{LEFT}
        const {{Refused}} = await import(new URL('server.js', main).href);
        const poll = new it.Poll(() => {{ throw new Refused(401, {{}}); }}, () => 60_000);
        poll.begin();
        while (state.door !== 'sign-in') await new Promise(requestAnimationFrame);
        return [before, left(), state.filter.q, state.refused !== ''];
    """
    assert await computed(door, "poll.js", script) == [KNOWN, [], "", True]


async def test_an_answer_to_somebody_who_has_signed_out_is_not_shown(door: Tab) -> None:
    """It may come when another user has signed in."""
    script = """
        const {state} = await import(new URL('store.js', main).href);
        const [asked, answer, answered] = [1, 2, 3].map(() => Promise.withResolvers());
        const poll = new it.Poll(async tell => {
          tell({agents: 'in time'});
          asked.resolve();
          await answer.promise;
          tell({waiting: 'late'});
          answered.resolve();
        }, () => 60_000);
        poll.begin();
        await asked.promise;
        poll.end();
        answer.resolve();
        await answered.promise;
        return [state.agents, state.waiting];
    """
    assert await computed(door, "poll.js", script) == ["in time", None]
