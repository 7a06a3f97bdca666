"""`dispatcher explain`: asks a running service what happened in a room, and tells it."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import aiohttp

TIMEOUT: Final = aiohttp.ClientTimeout(total=10)

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
            status, told = answer.status, await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        write(f"{address}: {type(error).__name__}: is the service running there?\n")
        return 1
    if status != HTTPStatus.OK:
        write(f"{room}: {_refusal(status, told)}\n")
        return 1
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
