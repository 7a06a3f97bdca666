"""One request and its answer, whoever gives it: where a proxy or a web page answers in the service's place, a sentence.

Answers have a bound, and redirects end here.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import msgspec
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout
from msgspec import Struct
from yarl import URL

from dispatcher.client.reasons import why
from dispatcher.core.errors import DispatcherError

T = TypeVar("T")

WITHIN_S: Final = 10.0  # an answer comes within this, beside what it was asked to wait
ANSWER_MAX: Final = 16 << 20  # bytes: 1,000 rooms with 32 assignments each have some 5 MB

NOBODY: Final = "unreachable"
ANOTHER: Final = "not_the_service"


class RequestFailed(DispatcherError):
    """The service refused, or did not answer. `detail` says to a person why, `error` is a name to program with.

    `error` is one of docs/http.md's; `unreachable`: nobody answers, or `not_the_service`: somebody else does.
    """

    def __init__(
        self, detail: str, *, error: str, status: int = 0, field: str = "", answer: "Answer | None" = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.error = error
        self.status = status  # of the answer; 0: there was none
        self.field = field  # the field or parameter that is wrong, where it is one
        self.answer = answer  # all of what the service said, where it was the service


class Answer(Struct, frozen=True):
    address: str
    status: int
    body: bytes
    leads_to: str  # the origin that a redirect names

    def read(self, expected: type[T]) -> T:
        """Decode the body. Raises RequestFailed if it is not of the expected kind."""
        try:
            return msgspec.json.decode(self.body, type=expected)
        except (ValueError, RecursionError):  # all that msgspec and UTF-8 have to say
            says = f"{self.address}: {self.status}, {self._foreign()}"
            raise RequestFailed(says, error=ANOTHER, status=self.status) from None

    def _foreign(self) -> str:
        if self.status // 100 == 3:
            return f"a redirect{self.leads_to and f' to {self.leads_to}'}: name the service itself with --url"
        return "not as the service answers: is the service running there?"


async def ask(
    http: ClientSession,
    method: str,
    address: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    within: float = WITHIN_S,
) -> Answer:
    """Send the request and read the answer, `within` seconds. Raises RequestFailed: none came, or one without end."""
    async with answering(http, method, address, headers, body, ClientTimeout(total=within)) as answer:
        return await whole(address, answer)


@asynccontextmanager
async def answering(
    http: ClientSession,
    method: str,
    address: str,
    headers: Mapping[str, str],
    body: bytes | None,
    within: ClientTimeout,
) -> AsyncIterator[ClientResponse]:
    """Send the request; its answer, whose body is still to be read. Raises RequestFailed: none came, or it broke."""
    try:
        async with http.request(
            method, address, data=body, headers=headers, allow_redirects=False, timeout=within
        ) as answer:
            yield answer
    except (ClientError, TimeoutError, ValueError) as error:
        reason = why(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
        raise RequestFailed(f"{address}: {reason}: is the service running there?", error=NOBODY) from None


async def whole(address: str, answer: ClientResponse) -> Answer:
    """Read the answer to its end. Raises RequestFailed: it has none."""
    try:
        await answer.content.readexactly(ANSWER_MAX + 1)
    except asyncio.IncompleteReadError as read:
        return Answer(address, answer.status, read.partial, _origin(answer.headers.get("Location", "")))
    raise RequestFailed(f"{address}: an answer without end: is the service running there?", error=ANOTHER)


def _origin(location: str) -> str:
    """Scheme, host and port of an address: its path may hold anything. "": it has none."""
    try:
        return str(URL(location).origin())
    except ValueError:
        return ""
