"""Rules: how long 1,000 load, and what they cost each time a person is judged by them.

    python -m bench.rules

Medians of rounds, in CPU time: nothing here waits, and other work on the machine does not count. About five seconds.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from dispatcher.config import load
from dispatcher.core.facts import Participant, Room, RoomSid
from dispatcher.core.rules import Rule, aimed, matching

MANY: Final = 1_000
FEW: Final = 10
ROUNDS: Final = 15
TIMES: Final = 200  # a round
ENVIRON: Final = {"LIVEKIT_URL": "ws://localhost", "LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "x"}
ROOM: Final = Room(sid=RoomSid("RM_1"), name="fx-support-42", metadata='{"tenant": "acme", "plan": "pro"}')
CALLER: Final = Participant(
    sid="PA_1",
    identity="sip_+441632960961",
    kind="SIP",
    active=True,
    attributes={"sip.trunkPhoneNumber": "+442079460000", "sip.phoneNumber": "+441632960961"},
)
NUMBERS: Final = "participant.attributes['sip.trunkPhoneNumber'] == '+44{:010}'"
PHONES: Final = "phone(participant.attributes['sip.trunkPhoneNumber']) == '+44{:010}'"


def main() -> None:
    """Prints milliseconds to load, and microseconds a person."""
    with tempfile.TemporaryDirectory() as folder:
        plain, phones = (file(Path(folder), name, when) for name, when in (("a", NUMBERS), ("b", PHONES)))
        took = [timed(lambda: load(plain, ENVIRON)) for _ in range(5)]
        print(f"{MANY} rules load in {statistics.median(took) / 1000:8.0f} ms")
        for label, path in (("a number", plain), ("phone()", phones)):
            rules = load(path, ENVIRON).rules
            assert matching(rules, ROOM, CALLER) == ()
            print(f"{FEW} rules that do not match, each {label:<9} {person(rules[:FEW]):8.1f} µs a person")
            print(f"{MANY} of them {'':23} {person(rules):8.1f} µs a person")
        split = load(path_of_split(Path(folder)), ENVIRON).rules[0]
        assert aimed(split, ROOM, CALLER).targets
        print(f"a rule's agent by split and expression {median(lambda: aimed(split, replace(ROOM), CALLER)):8.1f} µs")


def file(folder: Path, name: str, when: str, many: int = MANY) -> Path:
    """So many rules, none of which the caller matches, each with metadata."""
    metadata = """'{"caller": participant.identity, ?"tenant": metadata.?tenant}'"""
    rules = [
        f'  - {{name: rule-{number}, agent: sales, metadata: {metadata}, when: "{when.format(number)}"}}\n'
        for number in range(many)
    ]
    path = folder / f"{name}.yaml"
    path.write_text("rules:\n" + "".join(rules))
    return path


def path_of_split(folder: Path) -> Path:
    """One rule whose agents are computed."""
    path = folder / "split.yaml"
    split = "{split: [{name: a, weight: 95}, {name: b, weight: 5}], by: participant.identity}"
    path.write_text(f"rules: [{{name: a, agent: {split}, fallback: [{{cel: metadata.tenant}}]}}]\n")
    return path


def person(rules: tuple[Rule, ...]) -> float:
    """Microseconds to judge one person in a room just looked at, by all of the rules."""
    return median(lambda: matching(rules, replace(ROOM), CALLER), TIMES if len(rules) <= FEW else TIMES // 20)


def median(call: Callable[[], object], times: int = TIMES) -> float:
    """The median microseconds of a call."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(times):
            call()
        rounds.append((time.process_time() - start) / times * 1e6)
    return statistics.median(rounds)


def timed(call: Callable[[], object]) -> float:
    """Microseconds of one call."""
    start = time.process_time()
    call()
    return (time.process_time() - start) * 1e6


if __name__ == "__main__":
    main()
