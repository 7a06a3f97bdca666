"""What comes into a session's inbox: what happened, as a webhook tells it, and what somebody orders."""

from msgspec import Struct

from dispatcher.core.facts import Ms, Participant, Room
from dispatcher.core.orders import Order


class Event(Struct, frozen=True, kw_only=True):
    """A verified webhook, or an order.

    `room` is absent from some kinds of event (ingress, agent jobs), `participant` from most.
    """

    id: str
    name: str
    created_at: Ms  # whole seconds on LiveKit's side
    room: Room | None = None
    participant: Participant | None = None
    asked_for: tuple[str, ...] | None = None  # the rules that apply to who has joined, by name; None: not known
    order: Order | None = None
    by: str = ""  # who ordered it
