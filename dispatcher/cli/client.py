"""Asks a running service: for every command that does.

If a proxy or a web page answers in its place, the user gets a sentence. Answers have a bound, redirects end here.
"""

from typing import Final, TypeVar

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout
from msgspec import Struct

from dispatcher.cli.reasons import why
from dispatcher.core.errors import DispatcherError
from dispatcher.livekit.answers import Bounded, TooLong, origin

T = TypeVar("T")

TIMEOUT: Final = ClientTimeout(total=10)


class Refusal(Struct, frozen=True):
    """The service's answer when it refuses."""

    error: str


class NotTheService(DispatcherError):
    """Nobody answers at the address, or something that is not the service. Its text is a sentence."""


class Answer(Struct, frozen=True):
    address: str
    status: int
    body: bytes
    leads_to: str  # the origin that a redirect names

    def read(self, expected: type[T]) -> T:
        """Decode the body. Raises NotTheService if it is not of the expected kind."""
        try:
            return msgspec.json.decode(self.body, type=expected)
        except (ValueError, RecursionError):  # all that msgspec and UTF-8 have to say
            raise NotTheService(f"{self.address}: {self.status}, {self._foreign()}") from None

    def _foreign(self) -> str:
        if self.status // 100 == 3:
            return f"a redirect{self.leads_to and f' to {self.leads_to}'}: name the service itself with --url"
        return "not as the service answers: is the service running there?"


async def asked(method: str, address: str, authorization: str, body: bytes | None = None) -> Answer:
    """Send the request and read the answer. Raises NotTheService: nobody answers, or the answer has no end."""
    headers = {"Authorization": authorization}
    try:
        async with (
            ClientSession(timeout=TIMEOUT, headers=headers, response_class=Bounded) as http,
            http.request(method, address, data=body, allow_redirects=False) as answer,
        ):
            leads_to = origin(answer.headers.get("Location", ""))
            return Answer(address, answer.status, await answer.read(), leads_to)
    except TooLong:
        raise NotTheService(f"{address}: an answer without end: is the service running there?") from None
    except (ClientError, TimeoutError, ValueError) as error:
        reason = why(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
        raise NotTheService(f"{address}: {reason}: is the service running there?") from None
