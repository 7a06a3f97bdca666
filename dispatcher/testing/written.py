"""Workers and faults as text, so that a command line and a table of a test can name them.

`busy:rejects,serves,accept_after=1.5` is a worker, `lose_webhooks:times=2,event=room_started` a fault: a name, then
outcomes and settings. A worker's settings are those of `Behaviour`, a fault's those of the method of `Faults`.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_type_hints

import msgspec

from dispatcher.core.errors import DispatcherError
from dispatcher.testing.faults import Faults
from dispatcher.testing.workers import Behaviour, JobOutcome

FAULTS: Final = tuple(name for name in vars(Faults) if not name.startswith("_") and name != "clear")


class NotWritten(DispatcherError, ValueError):
    """A text that names no worker, or no fault. Its own text says what is wrong, and what there is."""


def written_worker(text: str) -> tuple[str, Sequence[JobOutcome], Behaviour]:
    """The agent's name, what becomes of its jobs, and how it behaves. Raises NotWritten."""
    agent, outcomes, settings = _parts(text)
    if not agent:
        raise NotWritten(f"{text!r}: a worker has a name, as in greeter:drop=1")
    wrong = [one for one in outcomes if one not in set(JobOutcome)]
    if wrong:
        raise NotWritten(f"{text!r}: no outcome is called {wrong[0]!r}; there are {', '.join(JobOutcome)}")
    behaviour: Behaviour = _converted(text, settings, get_type_hints(Behaviour))  # type: ignore[assignment]
    return agent, [JobOutcome(one) for one in outcomes], behaviour


def arm(faults: Faults, text: str) -> None:
    """The fault waits for its call or webhook. Raises NotWritten."""
    name, positional, settings = _parts(text)
    if name not in FAULTS:
        raise NotWritten(f"{text!r}: no fault is called {name!r}; there are {', '.join(FAULTS)}")
    if positional:
        raise NotWritten(f"{text!r}: write {positional[0]!r} as a setting, as in lose_replies:method=CreateDispatch")
    method = getattr(faults, name)
    hints = get_type_hints(method)
    hints.pop("return")
    converted = _converted(text, settings, hints)
    try:
        inspect.signature(method).bind(**converted)
    except TypeError as missing:
        raise NotWritten(f"{text!r}: {missing}") from None
    method(**converted)


def _parts(text: str) -> tuple[str, Sequence[str], Mapping[str, str]]:
    name, _, rest = text.partition(":")
    parts = [one.strip() for one in rest.split(",") if one.strip()]
    settings = [one.partition("=") for one in parts if "=" in one]
    return name.strip(), [one for one in parts if "=" not in one], {key: value for key, _, value in settings}


def _converted(text: str, settings: Mapping[str, str], types: Mapping[str, Any]) -> dict[str, Any]:
    """Each setting in its own type."""
    converted = {}
    for name, value in settings.items():
        if name not in types:
            raise NotWritten(f"{text!r}: no setting is called {name!r}; there are {', '.join(types)}")
        try:
            converted[name] = msgspec.convert(value, types[name], strict=False)
        except msgspec.ValidationError as wrong:
            raise NotWritten(f"{text!r}: {name}: {wrong}") from None
    return converted
