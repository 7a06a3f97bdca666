"""Reading a configuration again: what is taken, what is kept, what is told."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from dispatcher.config import Config, Source
from dispatcher.core.effects import Then
from dispatcher.core.session import State
from dispatcher.ledger.interface import Key, Standing, Telling
from dispatcher.ledger.redis import address
from dispatcher.runtime.reload import Reload, nudge
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics
from dispatcher.telemetry.recorder import SessionRecorder
from tests.unit.config.files import CONNECTION, RULE, written
from tests.unit.desk import PROJECT, Desk, until

BAD = "rules:\n  - {name: all, agnet: greeter}\n"


class Place:
    """A file, and a service that follows it."""

    def __init__(self, folder: Path, text: str = RULE, **environ: str) -> None:
        self.file = written(folder, text)
        self.registry = CollectorRegistry()
        self.lines: list[dict[str, Any]] = []
        self.taken: list[Config] = []
        source = Source(self.file, CONNECTION | environ)
        log = Log(lambda line: self.lines.append(json.loads(line)), lambda: 0.0)
        recorder = SessionRecorder(log, Metrics(self.registry), Health(lambda: 0))
        self.reload = Reload(source, source.read(), self.apply, recorder, poll=0.01)

    async def apply(self, config: Config) -> None:
        """It is in force."""
        self.taken.append(config)

    def said(self, action: str) -> list[dict[str, Any]]:
        """The log lines of this action."""
        return [line for line in self.lines if line["action"] == action]

    @property
    def successful(self) -> float | None:
        """What the metric says."""
        return self.registry.get_sample_value("livekit_dispatcher_config_last_reload_successful")


async def test_a_good_one_is_taken_and_told(tmp_path: Path) -> None:
    """With what is odd about it."""
    place = Place(tmp_path)
    place.file.write_text("rules: [{name: first, agent: x}, {name: never, agent: y}]\n")
    await place.reload.read()
    assert [[rule.name for rule in config.rules] for config in place.taken] == [["first", "never"]]
    (line,) = place.said("config.reloaded")
    assert line["projects"] == ["default"]
    assert [warning.partition("rules")[2] for warning in line["warnings"]] == [
        "[1].name: never used: the rules before it always match first"
    ]
    assert place.successful == 1


async def test_t4_a_bad_one_leaves_the_last_good_one_in_force(tmp_path: Path) -> None:
    """The log has every place, the metric is 0 until it is mended."""
    place = Place(tmp_path)
    place.file.write_text(BAD)
    await place.reload.read()
    assert (place.taken, place.successful) == ([], 0)
    (line,) = place.said("config.rejected")
    assert line["level"] == "error"
    assert [problem.removeprefix(str(tmp_path)) for problem in line["problems"]] == [
        "/bad.yaml:2:5: rules[0].agent: missing",
        "/bad.yaml:2:17: rules[0].agnet: unknown field; did you mean 'agent'?",
    ]
    place.file.write_text(RULE)
    await place.reload.read()
    assert (len(place.taken), place.successful) == (1, 1)


async def test_what_cannot_change_stays_and_is_told(tmp_path: Path) -> None:
    """The rest of the file is in force, and what needs a restart is named as long as it does."""
    (tmp_path / "redis").write_text("redis://one")
    place = Place(tmp_path, REDIS_URL_FILE=str(tmp_path / "redis"))
    place.file.write_text(f"instance: blue\nsweep: {{every: 5s}}\n{RULE}")
    (tmp_path / "redis").write_text("redis://two")
    await place.reload.read()
    await place.reload.read()
    assert [line["settings"] for line in place.said("config.deferred")] == [["instance", "redis_url"]] * 2
    (config, _) = place.taken
    assert config.ledger
    assert (config.instance, config.ledger.address) == ("default", address.read("redis://one"))
    assert config.sweep.every == 5_000
    place.file.write_text(RULE)
    (tmp_path / "redis").write_text("redis://one")
    await place.reload.read()
    assert len(place.said("config.deferred")) == 2


async def test_a_change_is_followed_by_itself_and_asking_is_quicker(tmp_path: Path) -> None:
    """Unchanged, nothing is read; asked, it is read all the same."""
    place = Place(tmp_path)
    running = asyncio.create_task(place.reload.run())
    place.file.write_text(BAD)
    await until(lambda: place.said("config.rejected"))
    place.file.write_text(RULE)
    await until(lambda: len(place.taken) == 1)
    place.reload.ask()
    await until(lambda: len(place.taken) == 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(place.said("config.rejected")) == 1


async def test_what_nobody_foresaw_is_no_success(tmp_path: Path) -> None:
    """The loop's keeper tells it; the metric does not say that all is well."""
    place = Place(tmp_path)

    async def odd(_: Config) -> None:
        raise ZeroDivisionError

    place.reload.apply = odd
    with pytest.raises(ZeroDivisionError):
        await place.reload.read()
    assert place.successful == 0


@pytest.mark.parametrize(("changed", "due"), [(True, {State.PAUSED, State.WAITING, State.STARVED}), (False, set())])
async def test_who_may_go_on_or_has_to_wait_is_looked_at(changed: bool, due: set[State]) -> None:
    """Where other agents are paused than before; whoever is served or done is left alone."""
    desk = Desk()
    before = desk.reconciler.holder.snapshot
    desk.reload(paused=frozenset({"greeter"} if changed else ()))
    key = {state: await stands(desk, state) for state in State}
    await nudge(desk.ledger, before, desk.reconciler.holder.snapshot)
    claimed, _ = await desk.ledger.claim(100)
    assert {handover.lease.key for handover in claimed} == {key[state] for state in due}


async def stands(desk: Desk, state: State) -> Key:
    """A session at rest with an assignment in this state."""
    key = Key(PROJECT, "lobby", f"RM_{state}")
    await desk.hear(key=key)
    handover = await desk.claim()
    await desk.ledger.save(
        handover.lease, b"", handover.upto, Then.REST, telling=Telling(index=(Standing(state, "greeter"),))
    )
    return key


async def test_a_project_that_is_new_has_nobody_to_tell() -> None:
    """Its first sweep finds who is there."""
    desk = Desk()
    before = desk.reconciler.holder.snapshot
    desk.reconciler.holder.snapshot = desk.current(other=desk.livekit).snapshot
    await stands(desk, State.WAITING)
    await nudge(desk.ledger, before, desk.reconciler.holder.snapshot)
    assert (await desk.ledger.claim(1))[0] == []
