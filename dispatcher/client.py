"""What a running service is asked: by `explain` what happened in a room, by `send-test` whether webhooks arrive."""

import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import aiohttp
import msgspec

from dispatcher.config import Secret
from dispatcher.webhook import BadWebhook, Rejected

TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
TEST: Final = "send_test"  # an event's name that LiveKit does not have

_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_UNHEARD: Final = (aiohttp.ClientError, TimeoutError, ValueError, msgspec.DecodeError)  # no answer, or nobody we know
_SAYS: Final = {
    HTTPStatus.UNAUTHORIZED: "the token was refused: set DISPATCHER_API_TOKEN to the service's",
    HTTPStatus.SERVICE_UNAVAILABLE: "its ledger cannot be asked now",
}


async def explain(url: str, token: str, room: str, write: Callable[[str], object]) -> int:
    """The room's story is written, its newest life last; exit code 0, or 1 with the reason why there is none."""
    address = f"{url.rstrip('/')}/v1/rooms/{quote(room, safe='')}"
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT, headers={"Authorization": f"Bearer {token}"}) as http,
            http.get(address) as answer,
        ):
            status, told = answer.status, _OBJECT.decode(await answer.read())
    except _UNHEARD as error:
        write(_nobody(address, error))
        return 1
    if status != HTTPStatus.OK:
        write(f"{room}: {_refusal(status, told)}\n")
        return 1
    if told.get("dry_run"):
        write("This is a dry run: it asks for no agent, and knows only what it has heard and seen itself.\n")
    for life in reversed(told["lives"]):
        write(_life(life))
    return 0


def _refusal(status: int, told: Mapping[str, Any]) -> str:
    if told.get("error") == "unknown_room":
        return "no room of that name has been heard of in the last hour; do its webhooks arrive?"
    if status == HTTPStatus.NOT_FOUND:
        return "the service has its API off: start it with DISPATCHER_API_TOKEN"
    return _SAYS.get(HTTPStatus(status), str(told.get("error")))


def _life(life: Mapping[str, Any]) -> str:
    lines = [f"{life['room']} ({life['sid']}, project {life['project']})", *(f"  {line}" for line in life["story"])]
    return "\n".join([*lines, f"  {life['cause']}\n"])


Sign: TypeAlias = Callable[..., str]


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
        token = sign(sent, key=key, secret=secret)
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT, headers={"Authorization": token}) as http,
            http.post(address, data=sent) as answer,
        ):
            status, told = answer.status, _OBJECT.decode(await answer.read())
    except BadWebhook as bad:
        write(f"{key}: {bad}\n")
        return False
    except _UNHEARD as error:
        write(_nobody(address, error))
        return False
    write(f"{address}: {status} {_outcome(told)}, signed with {key}\n")
    return status == HTTPStatus.OK


def _outcome(told: Mapping[str, Any]) -> str:
    """What the service has answered, and where it is a refusal what may be the matter."""
    refusal = str(told.get("error"))
    hint = next((f" ({reason.hint})" for reason in Rejected if reason == refusal), "")
    return str(told["result"]) if "result" in told else refusal + hint


def _nobody(address: str, error: Exception) -> str:
    return f"{address}: {type(error).__name__}: is the service running there?\n"
