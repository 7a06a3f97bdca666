"""A message in the form that its receiver reads: Standard Webhooks, Slack's incoming webhooks, PagerDuty's events."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Struct

from dispatcher.config import Receiver
from dispatcher.config.receivers import signing_key
from dispatcher.core.facts import Ms
from dispatcher.core.notices import CRITICAL, Effect, Happening, Message, effect_of
from dispatcher.notices.signature import signed
from dispatcher.notices.words import link, summary

SUMMARY_MAX: Final = 1_024  # characters; PagerDuty's own bound
SECTION_MAX: Final = 3_000  # characters; Slack's own bound

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


class Teller(Struct, frozen=True, kw_only=True):
    """Who tells: this installation."""

    instance: str
    public_url: str = ""


class Request(Struct, frozen=True):
    """What is posted."""

    body: bytes
    headers: Mapping[str, str]


def request(message: Message, receiver: Receiver, us: Teller, now: Ms) -> Request:
    """The message as this receiver reads it. The body is the same whenever it is made; `now` is the machine's time."""
    match receiver.format:
        case "slack":
            return Request(_ENCODER.encode(_slack(message, us)), _JSON)
        case "pagerduty":
            return Request(_ENCODER.encode(_pagerduty(message, receiver, us)), _JSON)
        case "standard":
            body = _ENCODER.encode(_standard(message, us))
            return Request(body, {**_JSON, **signed(message.id, body, signing_key(receiver.secret), now)})


_JSON: Final = {"Content-Type": "application/json", "User-Agent": "livekit-dispatcher"}


def _standard(message: Message, us: Teller) -> object:
    data = {
        "summary": summary(message),
        "effect": effect_of(message.kind),
        "instance": us.instance,
        "project": message.project or None,
        "agent": message.agent or None,
        "count": message.total,
        "open": message.open,
        "since": _instant(message.since),
        "happenings": [_happening(one, us) for one in message.samples],
    }
    return {"type": message.kind, "timestamp": _instant(message.made_at), "data": data}


def _happening(one: Happening, us: Teller) -> Mapping[str, str | None]:
    return {
        "at": _instant(one.at),
        "room": one.room or None,
        "session": one.session or None,
        "assignment": one.assignment or None,
        "text": one.text or None,
        "link": link(us.public_url, one) or None,
    }


def _slack(message: Message, us: Teller) -> object:
    told = f"{_SIGN[effect_of(message.kind)]} *{_escaped(_headline(message))}*"
    lines = [told, *(_slack_line(one, us) for one in message.samples)]
    if message.total > len(message.samples):
        lines.append(f"… and {message.total - len(message.samples)} more")
    section = {"type": "mrkdwn", "text": _cut("\n".join(lines), SECTION_MAX)}
    return {"text": _cut(_escaped(_headline(message)), SECTION_MAX), "blocks": [{"type": "section", "text": section}]}


_SIGN: Final = {
    Effect.OPENS: ":red_circle:",
    Effect.CLOSES: ":large_green_circle:",
    Effect.TELLS: ":information_source:",
}


def _slack_line(one: Happening, us: Teller) -> str:
    url = link(us.public_url, one)
    room = _escaped(one.room).replace("|", "\N{BROKEN BAR}")
    named = f"<{url}|{room}>: " if url else f"{room}: " if room else ""
    return f"• {named}{_escaped(one.text)}"


def _escaped(text: str) -> str:
    """As Slack wants it: what remains mentions nobody, links nowhere."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _pagerduty(message: Message, receiver: Receiver, us: Teller) -> object:
    effect = effect_of(message.kind)
    ended = effect is Effect.CLOSES and not message.open
    key = f"{us.instance}/{message.thread}" if effect is not Effect.TELLS else message.id
    urls = {url: one.room for one in message.samples if (url := link(us.public_url, one))}
    severity = "info" if effect is not Effect.OPENS else "critical" if message.kind in CRITICAL else "warning"
    details = _standard(message, us)
    return {
        "routing_key": receiver.secret.get_secret_value(),
        "event_action": "resolve" if ended else "trigger",
        "dedup_key": key[:255],
        "client": "livekit-dispatcher",
        "links": [{"href": url, "text": room} for url, room in urls.items()],
        "payload": {
            "summary": _cut(_headline(message), SUMMARY_MAX),
            "source": us.public_url or f"livekit-dispatcher {us.instance}",
            "severity": severity,
            "timestamp": _instant(message.made_at),
            "component": message.agent or "livekit-dispatcher",
            "group": message.project or us.instance,
            "class": message.kind,
            "custom_details": details,
        },
    }


def _headline(message: Message) -> str:
    return f"{message.project}: {summary(message)}" if message.project else summary(message)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _instant(at: Ms) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
