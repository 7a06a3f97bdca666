"""What comes into a session's inbox."""

from msgspec import Struct

from dispatcher.core.facts import Ms, Participant, Room


class Event(Struct, frozen=True, kw_only=True):
    """A verified webhook. `room` is absent from some kinds of event (ingress, agent jobs), `participant` from most."""

    id: str
    name: str
    created_at: Ms  # whole seconds on LiveKit's side
    room: Room | None = None
    participant: Participant | None = None
    asked_for: tuple[str, ...] | None = None  # the rules that apply to who has joined, by name; None: not known
