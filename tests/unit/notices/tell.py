"""Messages and receivers in a line each."""

from typing import Final

from dispatcher.config import Receiver, Secret
from dispatcher.config.types import NoticeFormat
from dispatcher.core.facts import Ms
from dispatcher.core.notices import Happening, Message, NoticeKind
from dispatcher.notices.bodies import Teller

NOW: Final[Ms] = 1_700_000_000_000
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
US: Final = Teller(instance="default", public_url="https://dispatcher.example.com")


def receiver(
    format_: NoticeFormat = "standard", url: str = "https://hooks.example.com/in", **fields: object
) -> Receiver:
    """One that takes everything."""
    secret = "" if format_ == "slack" else SECRET
    told = {"name": "ops", "url": Secret(url), "format": format_, "secret": Secret(secret)} | fields
    return Receiver(**told)  # type: ignore[arg-type]


def happening(kind: NoticeKind = NoticeKind.ROOM_STARVED, room: str = "lobby", **fields: object) -> Happening:
    """One in a room."""
    told = {"project": "p", "agent": "greeter", "session": "RM_1", "assignment": "all", "text": "No agent."} | fields
    return Happening(kind=kind, at=NOW, room=room, **told)  # type: ignore[arg-type]


def message(kind: NoticeKind = NoticeKind.ROOM_STARVED, *samples: Happening, **fields: object) -> Message:
    """One that is about to be sent."""
    shown = samples or (happening(kind),)
    told = {"total": len(shown), "open": len(shown), "project": "p", "agent": "greeter", "tries": 1} | fields
    return Message(
        id="msg_1",
        thread="rooms/p/greeter",
        kind=kind,
        since=NOW,
        made_at=NOW + 5_000,
        samples=shown,
        **told,  # type: ignore[arg-type]
    )
