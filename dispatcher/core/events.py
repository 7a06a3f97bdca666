"""What comes into a session's inbox: what happened, as a webhook tells it, and what somebody orders."""

from msgspec import Struct

from dispatcher.core.facts import Ms, Participant, Room
from dispatcher.core.orders import Order


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A verified webhook, or an order.

    `room` is absent from some kinds of event (ingress, agent jobs), `participant` from most.
    """

    id: str
    name: str
    created_at: Ms  # whole seconds on LiveKit's side
    room: Room | None = None
    participant: Participant | None = None
    asked_for: tuple[str, ...] | None = None  # the rules that apply to who has joined, by name; None: not known
    end_reason: str = ""  # LiveKit's name of why the room has ended, such as ROOM_END_API_DELETE; "": it does not say
    assignment: str = ""  # of a job: its assignment's key, as its tag says, unproven; "": it says nothing of ours
    number: int = 0  # and its attempt
    order: Order | None = None
    by: str = ""  # who ordered it
    trace: str = ""  # W3C's traceparent of the request in which it came; "": nothing is traced
