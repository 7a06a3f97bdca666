"""What each action of the log says to a person: the `msg` of its line; of a timeline's entry, what `explain` says.

The names in braces are fields of the line, as the line shows them: a test holds each sentence to what its line has.
"""

from collections.abc import Mapping
from typing import Final

from dispatcher.explain import SENTENCES
from dispatcher.explain.service import LEDGER

NONE: Final = "(none)"  # a field that this line does not have

_OF_THE_SERVICE: Final = {
    "session.repaired": "the sweep made up for a lost webhook: {why}",
    "session.found": "the first sweep found what had happened before: {why}",
    "session.deferred": "a later release wrote the session's record: it is left to that release's replicas",
    "sweep.postponed": "the sweep could not ask LiveKit: {why}",
    "sweep.prolonged": "{rooms} rooms are live: one round of the sweep takes {seconds} s",
    "look.failed": "LiveKit could not be asked: {why}",
    "look.recovered": "LiveKit answers again",
    "launcher.declined": "launcher {launcher} at {url} has started nothing: {why}",
    "launcher.recovered": "launcher {launcher} at {url} starts processes again",
    "rule.failed": "`{field}` of the rule {rule} gave nothing: {why}",
    "worker.answered": "a worker registered as `{agent}` answers at {address}",
    "worker.unanswered": "no worker is known at {address}: {why}",
    "metadata.unread": "rules see no metadata of the {whose}: it is no JSON object that they can read ({why})",
    "circuit.opened": "no agent of {agent} is seen in any room: where another can be asked, it is not asked",
    "circuit.closed": "{agent} shows signs of life: it is asked again",
    "split.stopped": "the split of {rule} gives {agent} to nobody, as far more of its rooms go badly: {why}",
    "split.resumed": "the split of {rule} gives {agent} again: {by} has resumed it",
    "probe.served": "a probe asked for {agent}, which came after {duration_ms} ms",
    "probe.failed": "a probe asked for {agent} in vain ({result}): {why}",
    "probe.interrupted": "a probe of {agent} says nothing: somebody ended its room, or paused or removed the agent",
    "probe.failing": "{probes} probes in a row have asked for {agent} in vain: {why}",
    "probe.recovered": "probes get {agent} again, after {probes} in vain",
    "probe.left": "the room of a probe had been left, and was ended",
    "agent.paused": "{agent} is {how}",
    "agent.resumed": "{agent} is paused no longer: {why}",
    "session.left_alone": "{lapses} leases in a row have run out: nobody sees to the room for {seconds} s",
    "instance.shared": f"another process is at work here, as the same instance: set {LEDGER} for both",
    "lease.lost": "another replica took the session over",
    "lease.kept": "the ledger did not take the session back: its lease runs out",
    "service.started": "webhooks are taken at {url}",
    "service.stopping": "no new work is taken; what runs is finished or handed back",
    "service.stopped": "everything is finished or handed back",
    "address.refused": "{host}:{port} cannot be listened on: {why}",
    "webhook.rejected": "a webhook from {sender} was refused: {reason}",
    "webhook.astray": "a webhook from {sender} came as {method} {path}: LiveKit must send it to {url}",
    "headers.too_large": "a request from {sender} was cut off: its headers have over {limit} bytes",
    "webhook.undecodable": "a signed webhook holds no event that we can read: {why}",
    "ledger.failed": "the ledger cannot be asked: {why}",
    "ledger.recovered": "the ledger answers again",
    "config.reloaded": "a new configuration is in force",
    "config.rejected": "the configuration has mistakes; the last good one stays in force",
    "config.deferred": "these settings change at the next start only: {settings}",
    "nudge.postponed": "whom a changed pause concerns is found by the next sweep: {why}",
    "drive.failed": "a drive failed unexpectedly: {error}; the session is driven again when its lease ends",
    "notice.delivered": "told {receiver}: {kind}",
    "notice.failed": "{receiver} did not take a notice ({kind}): {why}; it is sent again in {seconds} s",
    "notice.given_up": "{receiver} did not take a notice ({kind}) for a day, and gets it no more: {why}",
    "loop.failed": "the loop {loop} failed unexpectedly: {error}; it goes on",
    "request.failed": "a request failed unexpectedly: {error}; it was answered with 503",
    "ledger.taken": "the ledger belongs to another installation: {why}",
    "redis.unused": "a dry run has a ledger of its own, in memory: Redis is left alone",
    "service.killed": "a second {signal} came: the service ends at once",
    "log.dropped": "here {lines} lines are missing",
    "connection.unaccepted": "a connection could not be accepted: {why}",
    "connections.crowded": "too many connections are open: the longest idle ones are closed",
    "request.malformed": "somebody speaks another language than HTTP: {why}",
    "tape.started": "drives are recorded in {folder}",
    "tape.failed": "the tape cannot be written: {why}",
    "tape.recovered": "the tape is written again",
    "launcher.started": "launches are taken at {url}",
    "launcher.stopping": "no new launch is taken; those that run end, or are waited for",
    "launcher.stopped": "nothing runs any more",
    "launcher.refused": "the launcher cannot start: {why}",
    "launch.refused": "a request for a launch from {sender} was refused: {why}",
    "launch.accepted": "a process is started for {room}",
    "launch.started": "process {pid} runs (try {number}, {start})",
    "launch.joined": "its process is in the room, {duration_ms} ms after the request",
    "launch.retried": "{identity} did not come into the room ({why}): another process is started",
    "launch.ended": "nothing of {identity} runs any more: {why}",
    "launch.adopted": "process {pid} was started by an earlier launcher, and goes on",
    "launch.output": "{text}",
    "launch.output_omitted": "here {lines} lines of the launch are missing; its own log has them",
    "launch.unseen": "LiveKit could not be asked whether it is there: {why}",
    "launch.unsaved": "the launch's record could not be written: {why}",
    "launch.unkillable": "process {pid} does not end although it was killed",
    "launch.broken": "a launch failed unexpectedly: {error}; nothing of it runs any more",
    "warm.failed": "a process that was started ahead for {launcher} is of no use: {why}",
    "library.warned": "{logger} reports trouble at {at}",
}
ACTIONS: Final[Mapping[str, str]] = {str(said): sentence for said, sentence in SENTENCES.items()} | _OF_THE_SERVICE


class _Line(dict[str, object]):
    def __missing__(self, name: str) -> str:
        return NONE


def sentence(action: str, fields: Mapping[str, object]) -> str:
    """The line's sentence; an action that has none is its own."""
    readable = {name: ", ".join(map(str, one)) if isinstance(one, list) else one for name, one in fields.items()}
    return ACTIONS.get(action, action).format_map(_Line(readable))
