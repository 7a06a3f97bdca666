"""A message in each form."""

import json
from typing import Any

import pytest

from dispatcher.config.types import NoticeFormat
from dispatcher.core.notices import Effect, NoticeKind, effect_of
from dispatcher.notices.bodies import SECTION_MAX, SUMMARY_MAX, Teller, request
from tests.unit.notices.tell import NOW, SECRET, US, happening, message, receiver

FORMATS: tuple[NoticeFormat, ...] = ("standard", "slack", "pagerduty")
RECOVERED = NoticeKind.ROOM_RECOVERED


def body(format_: NoticeFormat = "standard", *args: Any, us: Teller = US, **fields: Any) -> Any:  # noqa: ANN401 - JSON
    """What is posted."""
    return json.loads(request(message(*args, **fields), receiver(format_), us, NOW).body)


def test_the_standard_form() -> None:
    """Type, timestamp and data; each happening with its diagnosis and its link."""
    assert body() == {
        "type": "room.starved",
        "timestamp": "2023-11-14T22:13:25.000Z",
        "data": {
            "summary": "A room has no agent: every target has been tried, the last was greeter",
            "effect": "opens",
            "instance": "default",
            "project": "p",
            "agent": "greeter",
            "count": 1,
            "open": 1,
            "since": "2023-11-14T22:13:20.000Z",
            "happenings": [
                {
                    "at": "2023-11-14T22:13:20.000Z",
                    "room": "lobby",
                    "session": "RM_1",
                    "assignment": "all",
                    "text": "No agent.",
                    "link": "https://dispatcher.example.com/ui/rooms/lobby",
                }
            ],
        },
    }


def test_only_the_standard_form_is_signed() -> None:
    """With the id that it keeps through all tries."""
    headers = request(message(), receiver(), US, NOW).headers

    assert headers["webhook-id"] == "msg_1"
    assert headers["webhook-timestamp"] == str(NOW // 1000)
    assert "webhook-signature" not in request(message(), receiver("slack"), US, NOW).headers


@pytest.mark.parametrize("format_", FORMATS)
def test_the_body_is_the_same_at_every_try(format_: NoticeFormat) -> None:
    """To the byte, though the signature is not."""
    tries = [request(message(tries=n), receiver(format_), US, NOW + n * 60_000).body for n in (1, 2)]

    assert tries[0] == tries[1]


def test_slack_mentions_nobody_and_links_nowhere_but_to_us() -> None:
    """A room may be called anything."""
    evil = happening(room="<!channel>|&<https://evil.example|x>", text="<@U1> & co")

    text = body("slack", NoticeKind.ROOM_STARVED, evil)["blocks"][0]["text"]["text"]

    assert "<!channel>" not in text
    assert "<@U1>" not in text
    assert text.count("<") == text.count(">") == 1
    assert "&lt;@U1&gt; &amp; co" in text
    assert "<https://dispatcher.example.com/ui/rooms/" in text


def test_slack_says_how_many_more_there_are_and_is_short() -> None:
    """Five are shown; Slack takes 3,000 characters."""
    long = [happening(room="r" * 1_000, text="t" * 600) for _ in range(5)]
    shown = body("slack", NoticeKind.ROOM_STARVED, happening(), total=5_000)["blocks"][0]["text"]["text"]

    assert shown.endswith("… and 4999 more")
    assert shown.startswith(":red_circle: *p: 5000 rooms have no agent")
    assert len(body("slack", NoticeKind.ROOM_STARVED, *long)["blocks"][0]["text"]["text"]) <= SECTION_MAX


def test_pagerduty_opens_an_incident_and_ends_it_with_the_last_room() -> None:
    """One for each subject, project and agent, by a key that stays."""
    opened, half, ended = body("pagerduty"), body("pagerduty", RECOVERED, open=3), body("pagerduty", RECOVERED, open=0)

    assert [one["event_action"] for one in (opened, half, ended)] == ["trigger", "trigger", "resolve"]
    assert {one["dedup_key"] for one in (opened, half, ended)} == {"default/rooms/p/greeter"}
    assert opened["payload"]["severity"] == "critical"
    assert opened["routing_key"] == SECRET
    assert opened["links"] == [{"href": "https://dispatcher.example.com/ui/rooms/lobby", "text": "lobby"}]


@pytest.mark.parametrize("kind", [kind for kind in NoticeKind if effect_of(kind) is Effect.OPENS])
def test_what_leaves_people_alone_is_critical_in_pagerduty(kind: NoticeKind) -> None:
    """A starved room, a LiveKit that does not answer, one that refuses our key; the rest can wait for the morning."""
    grave = (NoticeKind.ROOM_STARVED, NoticeKind.LIVEKIT_FAILING, NoticeKind.KEY_REFUSED)

    assert body("pagerduty", kind)["payload"]["severity"] == ("critical" if kind in grave else "warning")


def test_what_opens_nothing_is_an_alert_of_its_own_in_pagerduty() -> None:
    """Nothing would end it."""
    told = body("pagerduty", NoticeKind.AGENT_UNREQUESTED)

    assert (told["event_action"], told["dedup_key"], told["payload"]["severity"]) == ("trigger", "msg_1", "info")


def test_pagerduty_s_bounds_hold() -> None:
    """Whatever agents are called."""
    told = body("pagerduty", agent="a" * 3_000)

    assert len(told["payload"]["summary"]) == SUMMARY_MAX
    assert len(told["dedup_key"]) <= 255


@pytest.mark.parametrize("format_", FORMATS)
def test_without_an_address_there_are_no_links(format_: NoticeFormat) -> None:
    """And whoever has one project needs no name of it to read the rest."""
    text = request(message(project=""), receiver(format_), Teller(instance="blue"), NOW).body

    assert b"/ui/rooms" not in text
