"""What a running service is asked: by `explain` what happened in a room, by `send-test` whether webhooks arrive.

Whoever answers in its place, a proxy or a page, ends in a sentence: read with a bound, and no redirect is followed.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Final, TypeAlias, TypeVar
from urllib.parse import quote

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout
from msgspec import Meta, Struct

from dispatcher.config import Secret
from dispatcher.core.text import visible
from dispatcher.livekit.answers import Bounded, TooLong, origin
from dispatcher.livekit.webhook import BadWebhook, Rejected

T = TypeVar("T")
Sign: TypeAlias = Callable[..., str]

TIMEOUT: Final = ClientTimeout(total=10)
TEST: Final = "send_test"  # an event's name that LiveKit does not have

_SAYS: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "the token was refused: set DISPATCHER_API_TOKEN to the service's",
    HTTPStatus.SERVICE_UNAVAILABLE: "its ledger cannot be asked now",
}


class _Life(Struct, frozen=True):
    room: str
    sid: str
    project: str
    story: Sequence[str]
    cause: str


class _Room(Struct, frozen=True):
    lives: Annotated[Sequence[_Life], Meta(min_length=1)]
    dry_run: bool = False


class _Refusal(Struct, frozen=True):
    error: str


class _Taken(Struct, frozen=True):
    result: str


class _NotTheService(Exception):
    """Nobody answers at the address, or somebody else does. Its text is a sentence."""


class _Answer(Struct, frozen=True):
    address: str
    status: int
    body: bytes
    leads_to: str  # the origin that a redirect names

    def read(self, expected: type[T]) -> T:
        """The body. Raises _NotTheService when it is another one."""
        try:
            return msgspec.json.decode(self.body, type=expected)
        except (ValueError, RecursionError):  # all that msgspec and UTF-8 have to say
            raise _NotTheService(f"{self.address}: {self.status}, {self._foreign()}") from None

    def _foreign(self) -> str:
        if self.status // 100 == 3:
            return f"a redirect{self.leads_to and f' to {self.leads_to}'}: name the service itself with --url"
        return "not as the service answers: is the service running there?"


async def explain(url: str, token: str, room: str, write: Callable[[str], object]) -> int:
    """The room's story is written, its newest life last; exit code 0, or 1 with the reason why there is none."""
    try:
        answer = await _asked(
            "GET", f"{url.rstrip('/')}/v1/rooms/{quote(room, safe='', errors='replace')}", f"Bearer {token}"
        )
        if answer.status != HTTPStatus.OK:
            write(visible(f"{room}: {_refusal(answer.status, answer.read(_Refusal).error)}") + "\n")
            return 1
        told = answer.read(_Room)
    except _NotTheService as error:
        write(visible(str(error)) + "\n")
        return 1
    if told.dry_run:
        write("This is a dry run: it asks for no agent, and knows only what it has heard and seen itself.\n")
    for life in reversed(told.lives):
        write(_told(life))
    return 0


def _refusal(status: int, error: str) -> str:
    if error == "unknown_room":
        return "no room of that name has been heard of in the last hour; do its webhooks arrive?"
    if status == HTTPStatus.NOT_FOUND:
        return "the service has its API off: start it with DISPATCHER_API_TOKEN"
    return _SAYS.get(status, error)


def _told(life: _Life) -> str:
    lines = [f"{life.room} ({life.sid}, project {life.project})", *(f"  {line}" for line in life.story)]
    return "".join(f"{visible(line)}\n" for line in (*lines, f"  {life.cause}"))


async def send_test(
    url: str, keys: Mapping[str, Secret], body: bytes | None, sign: Sign, write: Callable[[str], object]
) -> int:
    """The body was sent once for each key, signed with it, and each answer written; exit code 0: all were taken.

    Without a body it is an event that every service takes and none acts on.
    """
    address = f"{url.rstrip('/')}/webhook"
    taken = [await _sent(address, key, secret.get_secret_value(), body, sign, write) for key, secret in keys.items()]
    return 0 if all(taken) else 1


async def _sent(
    address: str, key: str, secret: str, body: bytes | None, sign: Sign, write: Callable[[str], object]
) -> bool:
    sent = body or msgspec.json.encode({"event": TEST, "id": f"EV_{secrets.token_hex(8)}"})
    try:
        answer = await _asked("POST", address, sign(sent, key=key, secret=secret), sent)
        outcome = _outcome(answer)
    except BadWebhook as bad:
        write(f"{key}: {bad}\n")
        return False
    except _NotTheService as error:
        write(visible(str(error)) + "\n")
        return False
    write(visible(f"{address}: {answer.status} {outcome}, signed with {key}") + "\n")
    return answer.status == HTTPStatus.OK


def _outcome(answer: _Answer) -> str:
    """What the service has answered, and where it is a refusal what may be the matter."""
    if answer.status == HTTPStatus.OK:
        return answer.read(_Taken).result
    refusal = answer.read(_Refusal).error
    return refusal + next((f" ({reason.hint})" for reason in Rejected if reason == refusal), "")


async def _asked(method: str, address: str, authorization: str, body: bytes | None = None) -> _Answer:
    """What was answered there, whoever did. Raises _NotTheService: nobody, or without end."""
    headers = {"Authorization": authorization}
    try:
        async with (
            ClientSession(timeout=TIMEOUT, headers=headers, response_class=Bounded) as http,
            http.request(method, address, data=body, allow_redirects=False) as answer,
        ):
            leads_to = origin(answer.headers.get("Location", ""))
            return _Answer(address, answer.status, await answer.read(), leads_to)
    except TooLong:
        raise _NotTheService(f"{address}: an answer without end: is the service running there?") from None
    except (ClientError, TimeoutError, ValueError) as error:
        raise _NotTheService(f"{address}: {type(error).__name__}: is the service running there?") from None
