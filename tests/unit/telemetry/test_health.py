"""What is wrong with the service itself, as it is kept."""

from dispatcher.core.facts import Ms
from dispatcher.core.timing import LOOK_LIMIT_MS
from dispatcher.core.troubles import Trouble, TroubleKind
from dispatcher.ledger.interface import LedgerTaken, LedgerUnavailable
from dispatcher.livekit.failures import Reason
from dispatcher.telemetry.health import FAILING_MS, LATELY_MS, LEDGER_FAILING_MS, REJECTED_MAX, Health

START: Ms = 1_000_000


class Told:
    """Health, and its clock."""

    def __init__(self, *, dry_run: bool = False) -> None:
        self.now = START
        self.health = Health(lambda: self.now, dry_run=dry_run)

    def troubles(self, *projects: str) -> list[Trouble]:
        """What is wrong with the service and these projects."""
        return self.health.troubles(projects or ("default",))

    def kinds(self, *projects: str) -> list[TroubleKind]:
        """Of which kinds, in order."""
        return [one.kind for one in self.troubles(*projects)]


def test_a_service_that_is_well_has_no_trouble() -> None:
    """Nothing was heard, or only good."""
    told = Told()
    told.health.livekit_answered("default")
    told.health.ledger_asked("claim", 0.1, None)
    told.health.webhook_verified("default")

    assert told.troubles() == []


def test_livekit_fails_since_its_first_failure() -> None:
    """A look that timed out had begun before; the last reason counts."""
    told = Told()
    told.health.livekit_failed("default", Reason.TIMEOUT)
    told.now += 20_000
    told.health.livekit_failed("default", Reason.UNREACHABLE)

    assert told.troubles() == [
        Trouble(
            kind=TroubleKind.LIVEKIT_FAILING,
            project="default",
            reason="unreachable",
            since=START - LOOK_LIMIT_MS,
            last_at=START + 20_000,
            count=2,
        )
    ]
    assert told.troubles("other") == []
    told.health.livekit_answered("default")
    assert told.troubles() == []


def test_a_failure_of_long_ago_says_nothing_of_now() -> None:
    """Nobody has asked since; the next one begins anew."""
    told = Told()
    told.health.livekit_failed("default", Reason.SERVER)
    told.now += FAILING_MS
    assert told.troubles() == []

    told.health.livekit_failed("default", Reason.SERVER)
    assert [(one.since, one.count) for one in told.troubles()] == [(told.now, 1)]


def test_the_ledger_fails_by_operation() -> None:
    """A full Redis answers reads: what fails is told all the same, while it fails."""
    told = Told()
    told.health.ledger_asked("deliver", 2.0, LedgerUnavailable())
    told.health.ledger_asked("find", 0.1, None)
    told.now += 1_000
    told.health.ledger_asked("claim", 0.5, LedgerTaken())

    [trouble] = told.troubles()
    assert (trouble.kind, trouble.reason, trouble.since) == (
        TroubleKind.LEDGER_FAILING,
        "ledger_unavailable",
        START - 2_000,
    )
    told.health.ledger_asked("deliver", 0.1, None)
    assert [one.reason for one in told.troubles()] == ["ledger_taken"]
    told.now += LEDGER_FAILING_MS
    assert told.troubles() == []


def test_webhooks_that_were_refused_lately_are_told_by_reason() -> None:
    """However many they are, so many are kept."""
    told = Told()
    told.health.webhook_rejected("no_token")
    told.now += LATELY_MS - 1_000
    for _ in range(REJECTED_MAX + 5):
        told.health.webhook_rejected("bad_signature")

    assert [(one.reason, one.count) for one in told.troubles()] == [("bad_signature", REJECTED_MAX), ("no_token", 1)]
    told.now += 1_000
    assert [one.reason for one in told.troubles()] == ["bad_signature"]


def test_rooms_that_the_sweep_has_found_are_told_until_a_webhook_comes() -> None:
    """With when the last one came, if any did."""
    told = Told()
    told.health.room_found("default")
    assert [(one.kind, one.since, one.count) for one in told.troubles()] == [(TroubleKind.WEBHOOKS_MISSING, 0, 1)]
    told.health.webhook_verified("default")
    assert told.troubles() == []
    came = told.now
    told.now += 60_000
    told.health.room_found("default")
    told.health.room_found("default")
    assert [(one.since, one.count) for one in told.troubles()] == [(came, 2)]


def test_a_refused_configuration_is_told_until_one_is_in_force() -> None:
    """Since the last reading that was refused, with how many mistakes it has."""
    told = Told()
    told.health.config.loaded("dispatcher.yaml", "", [])
    told.now += 1_000
    told.health.config.refused(["one", "another"])
    [trouble] = told.troubles()
    assert (trouble.kind, trouble.since, trouble.count) == (TroubleKind.CONFIG_REFUSED, told.now, 2)
    told.now += 1_000
    told.health.config.loaded("dispatcher.yaml", "", [])
    assert told.troubles() == []


def test_the_worst_comes_first() -> None:
    """Whatever was heard first."""
    told = Told(dry_run=True)
    told.health.room_found("b")
    told.health.webhook_rejected("expired")
    told.health.livekit_failed("b", Reason.SERVER)
    told.health.livekit_failed("a", Reason.SERVER)
    told.health.ledger_asked("claim", 0, LedgerUnavailable())

    assert told.kinds("b", "a") == [
        TroubleKind.DRY_RUN,
        TroubleKind.LEDGER_FAILING,
        TroubleKind.LIVEKIT_FAILING,
        TroubleKind.LIVEKIT_FAILING,
        TroubleKind.WEBHOOKS_REJECTED,
        TroubleKind.WEBHOOKS_MISSING,
    ]
    assert [one.project for one in told.troubles("b", "a")][2:4] == ["a", "b"]


def test_webhooks_that_went_astray_are_trouble_for_five_minutes() -> None:
    """By the reason, each with what the last one asked for; a webhook that comes rightly does not end it."""
    told = Told()
    for path in ("/", "/webhooks"):
        told.health.webhook_astray("wrong_path", f"POST {path}")
    told.now += 1_000
    told.health.webhook_astray("wrong_method", "GET /webhook")
    told.health.webhook_verified("default")

    assert [(one.kind, one.reason, one.asked, one.count) for one in told.troubles()] == [
        (TroubleKind.WEBHOOKS_ASTRAY, "wrong_method", "GET /webhook", 1),
        (TroubleKind.WEBHOOKS_ASTRAY, "wrong_path", "POST /webhooks", 2),
    ]
    told.now += LATELY_MS - 1_000
    assert [one.reason for one in told.troubles()] == ["wrong_method"]
    told.now += 1_000
    assert told.troubles() == []


def test_what_came_last_is_kept_by_project() -> None:
    """A webhook, a sweep; and the ledger's failure alone."""
    told = Told()
    assert (told.health.webhook_at("default"), told.health.swept_at("default")) == (0, 0)
    assert told.health.ledger_failing() is None
    told.health.swept("default")
    told.now += 1_000
    told.health.webhook_verified("default")
    told.health.livekit_failed("default", Reason.TIMEOUT)
    told.health.ledger_asked("claim", 0, LedgerUnavailable("Redis: ConnectionError"))

    assert (told.health.webhook_at("default"), told.health.swept_at("default")) == (START + 1_000, START)
    assert (told.health.webhook_at("other"), told.health.swept_at("other")) == (0, 0)
    failing = told.health.ledger_failing()
    assert failing is not None
    assert (failing.kind, failing.count) == (TroubleKind.LEDGER_FAILING, 1)
    told.now += LEDGER_FAILING_MS
    assert told.health.ledger_failing() is None
