"""Who is told of what happens: the fields of a receiver of notices."""

import base64
import binascii
from typing import Annotated, Final, Self

from pydantic import AfterValidator, WithJsonSchema, model_validator

from dispatcher.config import values
from dispatcher.config.fields import Hidden, Name, Section, Span, some, text
from dispatcher.config.problems import did_you_mean
from dispatcher.config.types import NoticeFormat, Receiver, Secret
from dispatcher.core.facts import Ms
from dispatcher.core.notices import SUBSCRIBABLE, NoticeKind, Pacing

RECEIVERS_MAX: Final = 8
KEY_PREFIX: Final = "whsec_"
KEY_BYTES: Final = range(24, 65)  # Standard Webhooks' own bounds
PAGERDUTY_URL: Final = "https://events.pagerduty.com/v2/enqueue"
_PACING: Final = Pacing()
_HOW: Final = "write whsec_ and 24 to 64 bytes in base64: make one with `openssl rand -base64 32`"

_WRONG_SECRET: Final[dict[NoticeFormat, str]] = {
    "standard": f"`secret` is missing: {_HOW}",
    "pagerduty": "`secret` is missing: write the integration's routing key",
    "slack": "`secret` is not for slack, whose URL is the secret",
}


def _kind(text: str) -> NoticeKind:
    known = [kind.value for kind in SUBSCRIBABLE]
    if text not in known:
        raise ValueError(f"write one of {', '.join(known)}{did_you_mean(text, known)}")
    return NoticeKind(text)


Event = Annotated[NoticeKind, text(_kind), WithJsonSchema({"type": "string", "enum": list(SUBSCRIBABLE)})]


class ReceiverFields(Section):
    """A receiver of notices."""

    name: Name
    url: Hidden = Secret("")
    format: NoticeFormat = "standard"
    secret: Hidden = Secret("")
    events: Annotated[tuple[Event, ...], AfterValidator(some)] = SUBSCRIBABLE
    allow_private: Annotated[bool, text(values.truth)] = False
    group_wait: Annotated[Ms, Span(0, 600_000)] = _PACING.wait
    group_interval: Annotated[Ms, Span(1_000, 86_400_000)] = _PACING.interval

    @model_validator(mode="after")
    def _fits_its_format(self) -> Self:
        if self.format != "pagerduty" or self.url:
            _check_url(self.url.get_secret_value(), allow_private=self.allow_private)
        if bool(self.secret) == (self.format == "slack"):
            raise ValueError(_WRONG_SECRET[self.format])
        if self.format == "standard":
            signing_key(self.secret)
        return self

    @property
    def receiver(self) -> Receiver:
        """As the rest of the program sees it."""
        return Receiver(
            name=self.name,
            url=self.url or Secret(PAGERDUTY_URL),
            format=self.format,
            secret=self.secret,
            kinds=frozenset(self.events),
            allow_private=self.allow_private,
            pacing=Pacing(wait=self.group_wait, interval=self.group_interval),
        )


def signing_key(secret: Secret) -> bytes:
    """The key of a receiver's signatures. Raises ValueError."""
    written = secret.get_secret_value().removeprefix(KEY_PREFIX)
    try:
        key = base64.b64decode(written, validate=True)
    except binascii.Error:
        raise ValueError(f"`secret` is none: {_HOW}") from None
    if len(key) not in KEY_BYTES:
        raise ValueError(f"`secret` is too short or too long: {_HOW}")
    return key


def _check_url(url: str, *, allow_private: bool) -> None:
    """Raises ValueError; its text does not hold the URL, which is a secret."""
    parts, port = values.split(url, "`url` is none: write https://, a host and a path")
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or "@" in parts.netloc:
        raise ValueError("`url` is none: write https://, a host and a path, without a user")
    if parts.scheme == "http" and not allow_private:
        raise ValueError("`url` must be https; http is for a receiver with `allow_private: true`")
