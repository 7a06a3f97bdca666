"""What the configured workers say of themselves."""

from collections.abc import Iterator

from dispatcher.cli.doctor.findings import Finding, Grade
from dispatcher.config import Config
from dispatcher.config.problems import did_you_mean
from dispatcher.core.workers import Missing, WorkersSeen, asked
from dispatcher.targets.presence import ask_all
from dispatcher.targets.worker_http import worker_http


async def seen(config: Config) -> WorkersSeen:
    """What they answer now."""
    async with worker_http() as http:
        return asked(WorkersSeen(), await ask_all(http, config.workers), 0)


def of_workers(seen: WorkersSeen, config: Config) -> Iterator[Finding]:
    """What the configured workers say. Those that do not answer harm no dispatch, and tell nothing."""
    about = "workers"
    if not config.workers:
        says = "not asked: LiveKit lists none, so whether an agent is registered is not known"
        yield Finding(Grade.SKIPPED, about, says, "name their addresses under `workers`: docs/workers.md")
        return
    for address, answer in sorted(seen.answers.items()):
        if isinstance(answer, Missing):
            remedy = "livekit-agents answers there with `start`, on port 8081 unless told otherwise"
            yield Finding(Grade.WARNING, about, f"{address}: {answer}", remedy)
        elif not answer.ready:
            yield Finding(Grade.WARNING, about, f"{address}: `{answer.agent}` says that it is not ready", "see its log")
    if not seen.answering:
        return
    counts = ", ".join(f"`{name}` x{count}" for name, count in seen.registered.items() if name)
    yield Finding(Grade.OK, about, f"registered: {counts or 'none with a name'}")
    if "" in seen.registered:
        says = "a worker without agent_name takes every room, beside the agents of the rules"
        yield Finding(Grade.WARNING, about, says, "give it an agent_name")
    for agent in sorted({target.agent for rule in config.rules_in_force for target in rule.policy.targets}):
        if agent and seen.lacks(agent):
            near = did_you_mean(agent, filter(None, seen.registered)).removeprefix("; ")
            yield Finding(Grade.WARNING, about, f"none is registered as `{agent}`, for which a rule asks", near)
