"""A caller is on the line and no agent came: what `explain` says first, in each situation, of a running service."""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias, cast

import aiohttp
import pytest
from msgspec.structs import replace

from dispatcher.app import running
from dispatcher.cli.explain import explain
from dispatcher.core.rules import NAMELESS, Aimed, Rule
from dispatcher.ledger.interface import Ledger, LedgerUnavailable
from dispatcher.ledger.timed import TimedLedger
from dispatcher.telemetry.logs import Log
from dispatcher.testing import DEV_KEYS, FakeLiveKit, JobOutcome, Timings
from tests.integration.house import SPEED, TOKEN, Ears, House, config, house, rule

Situation: TypeAlias = Callable[[House], Awaitable[None]]

SILENCE = "No worker took the job within 0.4 s, 2 times: is one registered as `greeter`, with room for it?"
WAITED = r"alice \(STANDARD\) has waited for [\d.]+ s, since \d\d:\d\d:\d\d UTC"
COMES = r"the next attempt, at `greeter`, (comes in [\d.]+ s, at \d\d:\d\d:\d\d UTC|is due now)"
UNDER_WAY = r"attempt \d, at `greeter`, has been under way for [\d.]+ s; without a job it is given up after 0.4 s"


async def told(here: House, room: str = "lobby", token: str = TOKEN) -> list[str]:
    """The lines that `dispatcher explain` prints."""
    written: list[str] = []
    await explain(here.service.url, token, room, written.append)
    return "".join(written).splitlines()


async def starved(here: House) -> None:
    """Somebody waits until every attempt has failed."""
    await here.livekit.rooms.join("lobby", "alice")
    await here.told("assignment.starved")


async def healthy(here: House) -> None:
    """An agent comes."""
    here.livekit.workers.register("greeter")
    await here.livekit.rooms.join("lobby", "alice")
    await here.told("agent.joined")


async def rejects(here: House) -> None:
    """Its request handler says no."""
    here.livekit.workers.register("greeter", JobOutcome.REJECTS)
    await starved(here)


async def killed(here: House) -> None:
    """SIGKILL, with the call going on."""
    here.livekit.workers.register("greeter", JobOutcome.CRASHES, JobOutcome.DROPS, stay=2.0, ghost=10.0)
    await here.livekit.rooms.join("lobby", "alice")
    await here.told("attempt.ended", verdict="crashed")


async def never_shows(here: House) -> None:
    """A worker took the job, and its process never connects."""
    here.livekit.workers.register("greeter", JobOutcome.NEVER_SHOWS)
    await starved(here)


async def raises(here: House) -> None:
    """An exception in the first line of the entrypoint."""
    here.livekit.workers.register("greeter", JobOutcome.RAISES)
    await starved(here)


async def nameless_alone(here: House) -> None:
    """A worker without agent_name is all there is: LiveKit sends it by itself."""
    here.livekit.workers.register("")
    await starved(here)


async def nobody_joins(here: House) -> None:
    """Somebody joins for whom no rule is."""
    await here.livekit.rooms.join("lobby", "alice")
    await here.livekit.wait_until(lambda: here.livekit.webhooks_sent)
    await here.quiet()


async def unnamed(here: House) -> None:
    """The rule's expression finds no name."""
    await here.livekit.rooms.join("lobby", "alice")
    await here.told("agent.unnamed")


async def dry(here: House) -> None:
    """Nobody is asked for."""
    await here.livekit.rooms.join("lobby", "alice")
    await here.told("dispatch.simulated")


async def hanging(here: House) -> None:
    """LiveKit takes connections and requests, and answers nothing."""
    for method in ("ListRooms", "ListParticipants", "ListDispatch"):
        here.livekit.faults.slow(method, 60 * SPEED, times=100)
    await here.livekit.rooms.join("lobby", "alice")
    await here.told("look.failed", why="timeout")


def never(_room: object, _person: object) -> bool:
    """A condition that nobody meets."""
    return False


def nobody(_room: object, _person: object) -> Aimed:
    """An expression that finds no key."""
    return Aimed((), ("missing_key",))


HASTY = rule("greeter", attempts=2)
NAMES_NOBODY = replace(HASTY, aim=nobody, policy=replace(HASTY.policy, targets=(NAMELESS,)))


@pytest.mark.parametrize(
    ("rules", "happens", "first"),
    [
        pytest.param(
            HASTY, healthy, r"Served: `greeter` has been in the room for [\d.]+ s, since .+ UTC\.", id="healthy"
        ),
        pytest.param(
            HASTY,
            starved,
            rf"No agent: {WAITED}; {COMES}\. {re.escape(SILENCE)} No agent named `greeter` has been seen yet\.",
            id="no-worker-of-the-name",
        ),
        pytest.param(
            HASTY,
            rejects,
            rf"No agent: {WAITED}; {COMES}\. The worker of `greeter` said no, 2 times: see its request handler\.",
            id="rejects",
        ),
        pytest.param(
            HASTY,
            killed,
            rf"No agent: {WAITED}; {COMES}\. The process of `greeter`'s agent was lost; "
            r"LiveKit noticed 20 s later, at .+ UTC: see its worker's log\.",
            id="killed",
        ),
        pytest.param(
            HASTY,
            never_shows,
            rf"No agent: {WAITED}; {COMES}\. A worker took the job and no agent joined within 0.9 s, 2 times: "
            r"see the log of `greeter`\.",
            id="job-without-agent",
        ),
        pytest.param(
            rule("greeter", attempts=2, min_stay=5_000),
            raises,
            rf"No agent: {WAITED}; {COMES}\. The agent of `greeter` joined and left within 5 s, 2 times: "
            r"does its job raise at the start\?",
            id="exception-at-start",
        ),
        pytest.param(
            HASTY,
            nameless_alone,
            rf"No agent: {WAITED}; {COMES}\. {re.escape(SILENCE)} An agent without a name is in the room: "
            r"is that your `greeter`, started without its name\? Its worker registered without agent_name, .+",
            id="only-an-unnamed-worker",
        ),
        pytest.param(
            replace(HASTY, when=never),
            nobody_joins,
            r"No rule asks for an agent here: none applies to alice \(STANDARD\)\.",
            id="no-rule",
        ),
        pytest.param(
            NAMES_NOBODY,
            unnamed,
            rf"No agent: {WAITED}; the rule's expressions name no agent \(missing_key\)\.",
            id="expression-names-no-agent",
        ),
        pytest.param(
            HASTY,
            hanging,
            r"LiveKit has not answered for [\d.]+ s \(timeout\): it takes requests and does not answer in time: .+",
            id="livekit-hangs",
        ),
    ],
)
async def test_the_first_line_says_why(rules: Rule, happens: Situation, first: str) -> None:
    """Verdict, who waits since when, what comes next, and why."""
    async with house(rules) as here:
        await happens(here)
        lines = await told(here)
    assert re.fullmatch(first, lines[0]), lines[0]


async def test_an_agent_without_a_name_beside_ours_is_told_as_what_it_is() -> None:
    """The caller is served; whoever asks why two agents speak learns where the other comes from."""
    async with house(HASTY) as here:
        here.livekit.workers.register("")
        await healthy(here)
        await here.told("agent.unrequested", within=14)
        served, other, *_ = await told(here)
    assert served.startswith("Served: `greeter` has been in the room")
    assert other.startswith("An agent is in the room that no rule asked for: one without a name (its worker registered")


async def test_an_agent_without_a_name_is_told_to_go_where_the_configuration_says_so() -> None:
    """Ours stays; the story says who was sent away, and why that was."""
    async with house(rule("greeter", unrequested_agents="remove")) as here:
        here.livekit.workers.register("")
        await healthy(here)
        await here.told("agent.sent_away", within=9)
        await here.livekit.wait_until(lambda: len(here.livekit.rooms.agents_in("lobby")) == 1)
        lines = await told(here)
        metrics = await here.metrics()
    assert lines[0].startswith("Served: `greeter` has been in the room")
    assert lines[-1].endswith("an agent without a name was told to go, as `unrequested_agents: remove` says")
    assert metrics['livekit_dispatcher_surplus_agents_total{action="sent_away"}'] == 1


async def test_a_dry_run_says_so_first() -> None:
    """And whom it would have asked for."""
    async with house(HASTY, dry_run=True) as here:
        await dry(here)
        first, second, *_ = await told(here)
    assert first == "This is a dry run: it asks for no agent, and knows only what it has heard and seen itself."
    assert re.fullmatch(f"Dry run: {WAITED}, and `greeter` would have been asked for; nobody is.", second)


@asynccontextmanager
async def strangers() -> AsyncIterator[House]:
    """A service whose key has another secret at LiveKit."""
    keys = {key: f"{secret}-of-theirs" for key, secret in DEV_KEYS.items()}
    ears = Ears()
    async with (
        FakeLiveKit(keys=keys, timings=Timings(speed=SPEED)) as livekit,
        running(config(livekit.url, HASTY), Log(ears.hear, time.time), version="test") as service,
    ):
        livekit.webhook_url = f"{service.url}/webhook"
        yield House(livekit, service, ears)


async def test_a_wrong_secret_is_told_before_anything_else() -> None:
    """LiveKit refuses our key, and we refuse its webhooks: no room is known, and that is not the room's fault."""
    async with strangers() as here:
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("webhook.rejected")
        await here.told("sweep.postponed")
        refused, rejected, room = await told(here)
    assert re.match(r"LiveKit has refused our key for [\d.]+ s \(unauthorized\): the key or the secret is not", refused)
    assert "refused in the last 5 min" in rejected
    assert "(bad_signature): the API key is known, but the secret configured here is another one." in rejected
    assert room.startswith("lobby: No room of that name has been heard of in the last hour, and LiveKit could not be")


async def test_rooms_that_only_the_sweep_finds_are_told_with_what_to_mend() -> None:
    """LiveKit sends its webhooks elsewhere; the agent comes all the same, late, and the line says why."""
    async with house(HASTY, sweep_every=1_000) as here:
        here.livekit.workers.register("greeter")
        here.livekit.webhook_url = None
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", within=14)
        missing, served, *_ = await told(here)
    assert missing.startswith(
        "No webhook of LiveKit has come ever, and a room was found by the sweep, up to 30 s late:"
    )
    assert served.startswith("Served: `greeter` has been in the room for ")


async def test_a_ledger_that_fails_is_told() -> None:
    """Redis is away: the room is not known, and the line does not blame it."""
    async with house(HASTY) as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        with broken(here.service.ledger):
            trouble, room = await told(here)
    assert re.fullmatch(
        r"The ledger \(REDIS_URL\) has not answered for [\d.]+ s: webhooks are refused with 503, and no agent is asked "
        r"for until it does\.",
        trouble,
    )
    assert room == "lobby: its ledger cannot be asked now"


@contextmanager
def broken(ledger: Ledger) -> Iterator[None]:
    """No operation of the ledger's succeeds: its home is away."""
    assert isinstance(ledger, TimedLedger)

    class Away:
        def __getattr__(self, _operation: str) -> Callable[..., Awaitable[None]]:
            async def fail(*_: object, **__: object) -> None:
                raise LedgerUnavailable

            return fail

    home, ledger._ledger = ledger._ledger, cast("Ledger", Away())  # noqa: SLF001
    yield
    ledger._ledger = home  # noqa: SLF001


async def test_trouble_has_a_form_that_programs_can_read() -> None:
    """As docs/http.md shows it: with the room that is known, with one that is not."""
    async with house(HASTY) as here, aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        await healthy(here)
        await here.livekit.stop_api()
        await here.livekit.rooms.join("hall", "bob")
        await here.told("look.failed", why="unreachable")
        known = await (await http.get(f"{here.service.url}/v1/rooms/lobby")).json()
        unknown = await (await http.get(f"{here.service.url}/v1/rooms/attic")).json()
    [trouble] = known["troubles"]
    assert (trouble["kind"], trouble["project"], trouble["reason"]) == ("livekit_failing", "default", "unreachable")
    assert trouble["since"] <= trouble["last_at"]
    assert trouble["count"] >= 1
    assert trouble["sentence"].startswith("LiveKit has not answered for ")
    assert unknown["error"] == "unknown_room"
    assert [one["kind"] for one in unknown["troubles"]] == ["livekit_failing"]


async def test_a_misspelt_room_is_told_with_the_one_that_may_be_meant() -> None:
    """LiveKit shows none of the name."""
    async with house(HASTY) as here:
        await healthy(here)
        [line] = await told(here, "loby")
    assert line == (
        "loby: No room of that name has been heard of in the last hour, and LiveKit shows none. "
        "A name like it: `lobby`."
    )


async def test_webhooks_to_a_wrong_path_leave_the_room_to_the_sweep() -> None:
    """LiveKit shows the room, and who is in it, before the sweep has found it."""
    async with house(HASTY) as here:
        here.livekit.webhook_url = f"{here.service.url}/webhooks"
        await here.livekit.rooms.join("lobby", "alice")
        await here.livekit.wait_until(lambda: len(here.livekit.webhooks_sent) > 1)
        *_, line, _, answer = await told(here)
    assert line.startswith("lobby: LiveKit shows the room, with alice (STANDARD) in it, and no webhook has told this")
    assert answer == "    default  yes: greeter"


async def test_why_nobody_can_be_asked() -> None:
    """No service, no API, another token."""
    written: list[str] = []
    assert await explain("http://127.0.0.1:9", "", "lobby", written.append) == 1
    async with house(token=None) as here:
        off = await told(here)
    async with house() as here:
        refused = await told(here, token="another")

    assert "is the service running there?" in written[0]
    assert off == ["lobby: the service has its API off: start it with DISPATCHER_API_TOKEN"]
    assert refused == ["lobby: the token was refused: set DISPATCHER_API_TOKEN to the service's"]
