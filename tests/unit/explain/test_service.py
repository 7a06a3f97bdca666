"""The service's own trouble, in words."""

import pytest

from dispatcher.core.facts import Ms
from dispatcher.core.troubles import Trouble, TroubleKind
from dispatcher.explain import trouble_told
from dispatcher.livekit.failures import Reason
from dispatcher.livekit.webhook import Rejected
from dispatcher.notices.post import NotDelivered

NOW: Ms = 1_000_000
LIVEKIT = Trouble(kind=TroubleKind.LIVEKIT_FAILING, project="emea", reason="timeout", since=NOW - 22_000, count=9)
REJECTED = Trouble(
    kind=TroubleKind.WEBHOOKS_REJECTED, reason="bad_signature", since=NOW - 9_000, last_at=NOW - 4_000, count=3
)
MISSING = Trouble(kind=TroubleKind.WEBHOOKS_MISSING, project="emea", last_at=NOW, count=1)


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (Trouble(kind=TroubleKind.DRY_RUN), "This is a dry run: it asks for no agent, and knows only what it has"),
        (
            Trouble(kind=TroubleKind.LEDGER_FAILING, reason="ledger_unavailable", since=NOW - 22_000),
            "The ledger (REDIS_URL) has not answered for 22 s: webhooks are refused with 503, and no agent is asked",
        ),
        (
            Trouble(kind=TroubleKind.LEDGER_FAILING, reason="ledger_taken", since=NOW),
            "The ledger belongs to another installation: nothing is done here; the log names both.",
        ),
        (LIVEKIT, "LiveKit has not answered for 22 s (timeout): it takes requests and does not answer in time: "),
        (
            Trouble(kind=TroubleKind.LIVEKIT_FAILING, reason="unauthorized", since=NOW - 130_000),
            "LiveKit has refused our key for 2 min (unauthorized): the key or the secret is not this server's, or the",
        ),
        (
            REJECTED,
            "3 webhooks were refused in the last 5 min, the last 4.0 s ago (bad_signature): the API key is known, but",
        ),
        (
            Trouble(kind=TroubleKind.WEBHOOKS_ASTRAY, reason="wrong_path", last_at=NOW, count=2, asked="POST /hook"),
            "2 webhooks came to a wrong place in the last 5 min, the last 0.0 s ago as POST /hook: LiveKit's",
        ),
        (
            Trouble(
                kind=TroubleKind.WEBHOOKS_ASTRAY, reason="wrong_method", last_at=NOW, count=1, asked="GET /webhook"
            ),
            "A webhook came to a wrong place in the last 5 min, the last 0.0 s ago as GET /webhook: a redirect",
        ),
        (MISSING, "No webhook of LiveKit has ever come, and a room was found by the sweep, up to 30 s late: does"),
        (
            Trouble(kind=TroubleKind.NOTICES_FAILING, reason="timeout", since=NOW - 22_000, receiver="slack"),
            "The receiver `slack` has taken no notice for 22 s (timeout): it does not answer within 10 s.",
        ),
        (
            Trouble(kind=TroubleKind.CONFIG_REFUSED, since=NOW - 22_000, last_at=NOW - 22_000, count=1),
            "A change of the configuration was refused 22 s ago, for a mistake: the last good one is in force; ",
        ),
        (
            Trouble(kind=TroubleKind.CONFIG_REFUSED, since=NOW - 22_000, last_at=NOW - 22_000, count=3),
            "A change of the configuration was refused 22 s ago, for 3 mistakes: ",
        ),
        (Trouble(kind=TroubleKind.ANOTHER_PROCESS), "Another process is at work here, as the same `instance`"),
    ],
)
def test_each_trouble_says_since_when_and_what_to_mend(trouble: Trouble, told: str) -> None:
    """A sentence, and its end."""
    sentence = trouble_told(trouble, NOW)

    assert sentence.startswith(told)
    assert sentence.endswith((".", "?"))
    assert "?." not in sentence


def test_the_project_is_named_where_there_are_several() -> None:
    """And webhooks that once came are told from those that never did."""
    assert trouble_told(LIVEKIT, NOW, named=True).startswith("LiveKit of project emea has not answered")
    stopped = Trouble(kind=TroubleKind.WEBHOOKS_MISSING, project="emea", since=NOW - 600_000, last_at=NOW, count=3)
    assert trouble_told(stopped, NOW, named=True).startswith(
        "No webhook of LiveKit of project emea has come since 10 min ago, and 3 rooms were found by the sweep"
    )


@pytest.mark.parametrize("reason", [one for one in Reason if one not in {Reason.INVALID, Reason.NOT_FOUND}])
def test_each_failure_of_livekits_has_its_words(reason: Reason) -> None:
    """Of those that are not about the request."""
    trouble = Trouble(kind=TroubleKind.LIVEKIT_FAILING, reason=reason, since=NOW)
    assert "see the log." not in trouble_told(trouble, NOW)


@pytest.mark.parametrize("reason", list(NotDelivered))
def test_each_reason_of_a_receivers_has_its_words(reason: NotDelivered) -> None:
    """As docs/notices.md has them at length."""
    trouble = Trouble(kind=TroubleKind.NOTICES_FAILING, reason=reason, since=NOW, receiver="slack")
    assert "see the log." not in trouble_told(trouble, NOW)


@pytest.mark.parametrize("reason", list(Rejected))
def test_each_reason_of_a_refusal_is_told(reason: Rejected) -> None:
    """By name; the rarer ones lead to the page that has them."""
    trouble = Trouble(kind=TroubleKind.WEBHOOKS_REJECTED, reason=reason, last_at=NOW, count=1)
    assert trouble_told(trouble, NOW).startswith(
        f"A webhook was refused in the last 5 min, the last 0.0 s ago ({reason}): "
    )
