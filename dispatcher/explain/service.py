"""The service's own trouble in words: each says what is wrong, since when, and what to mend."""

from typing import Final, assert_never

from dispatcher.core.facts import Ms
from dispatcher.core.troubles import Trouble, TroubleKind
from dispatcher.explain.words import about, ago

FAILURES: Final = {  # of calls to LiveKit, by reason (`livekit.client.Reason`)
    "unauthorized": "the key or the secret is not this server's, or the clocks differ by over a minute",
    "timeout": "it takes requests and does not answer in time: is it overloaded, or stuck?",
    "unreachable": "nobody answers at LIVEKIT_URL: is it up, and the address right?",
    "untrusted": "its certificate is not trusted: SSL_CERT_FILE names a file of others to trust",
    "proxy": "the proxy that HTTPS_PROXY or HTTP_PROXY names is not there, or refuses; NO_PROXY keeps a host out of it",
    "broken": "the connection breaks, or something else than LiveKit answers at LIVEKIT_URL",
    "oversized": "its answer is longer than LiveKit's ever are",
    "redirected": "LIVEKIT_URL redirects: set it to LiveKit itself",
    "limited": "it says that we call too often (429): set `api_rate_limit`, or raise the quota",
    "server": "it answers with errors of its own (5xx): see its log",
}
REFUSED: Final = "unauthorized"
LEDGER: Final = "REDIS_URL"  # names the ledger that replicas share
_REJECTED: Final = {  # of webhooks, by reason (`livekit.webhook.Rejected`, and our own)
    "no_token": "without a token: not LiveKit's, or a proxy drops the Authorization header",
    "malformed_token": "with a token that is none: not LiveKit's, or a proxy replaces the Authorization header",
    "unknown_key": "signed with an API key that no project here has",
    "bad_signature": "the API key is known, but the secret configured here is another one",
    "hash_mismatch": "something between LiveKit and here rewrites the body",
    "expired": "the clocks are over 60 s apart, or it is an old request",
    "not_yet_valid": "the clocks are over 60 s apart",
}


_UNTOLD: Final = {  # of messages to a receiver, by reason (`notices.post.NotDelivered`)
    "private_address": "its address is not on the public internet, and it has no `allow_private: true`",
    "unresolved": "its name has no address",
    "unreachable": "nobody answers there: is it up, and its `url` right?",
    "untrusted": "its certificate is not trusted: SSL_CERT_FILE names a file of others to trust",
    "timeout": "it does not answer within 10 s",
    "broken": "the connection ends before there is an answer",
    "redirected": "it redirects: configure where it leads to",
    "refused": "it refuses the message: are `url`, `secret` and `format` right?",
    "failed": "it answers with an error of its own",
}


def ended(sentence: str) -> str:
    """The sentence with its full stop, where it has no end yet."""
    return sentence if sentence.endswith("?") else f"{sentence}."


def trouble_told(trouble: Trouble, now: Ms, *, named: bool = False) -> str:
    """The trouble in a sentence; its project is named where there are several. `now` is of this machine's clock."""
    livekit = f"LiveKit of project {trouble.project}" if named and trouble.project else "LiveKit"
    match trouble.kind:
        case TroubleKind.DRY_RUN:
            return "This is a dry run: it asks for no agent, and knows only what it has heard and seen itself."
        case TroubleKind.LEDGER_FAILING:
            return _of_the_ledger(trouble, now)
        case TroubleKind.LIVEKIT_FAILING:
            failing = "has refused our key for" if trouble.reason == REFUSED else "has not answered for"
            why = ended(FAILURES.get(trouble.reason, "see the log"))
            return f"{livekit} {failing} {about(now - trouble.since)} ({trouble.reason}): {why}"
        case TroubleKind.ANOTHER_PROCESS:
            return (
                "Another process is at work here, as the same `instance` and with a ledger of its own, so that people "
                f"may get two agents: set {LEDGER} for both, or give one of them another `instance`."
            )
        case TroubleKind.WEBHOOKS_REJECTED:
            return _of_webhooks(trouble, now)
        case TroubleKind.WEBHOOKS_ASTRAY:
            return _astray(trouble, now)
        case TroubleKind.WEBHOOKS_MISSING:
            come = f"has come since {ago(trouble.since, now)}" if trouble.since else "has ever come"
            rooms = f"{trouble.count} rooms were" if trouble.count > 1 else "a room was"
            return (
                f"No webhook of {livekit} {come}, and {rooms} found by the sweep, up to 30 s late: "
                "does LiveKit's `webhook.urls` name this service's /webhook?"
            )
        case TroubleKind.NOTICES_FAILING:
            return _of_a_receiver(trouble, now)
        case TroubleKind.CONFIG_REFUSED:
            mistakes = f"{trouble.count} mistakes" if trouble.count > 1 else "a mistake"
            return (
                f"A change of the configuration was refused {ago(trouble.since, now)}, for {mistakes}: the last good "
                "one is in force; `dispatcher check` says what is wrong, and where."
            )
        case _:
            assert_never(trouble.kind)


def _of_the_ledger(trouble: Trouble, now: Ms) -> str:
    if trouble.reason == "ledger_taken":
        return "The ledger belongs to another installation: nothing is done here; the log names both."
    return (
        f"The ledger ({LEDGER}) has not answered for {about(now - trouble.since)}: webhooks are refused with 503, "
        "and no agent is asked for until it does."
    )


def _of_a_receiver(trouble: Trouble, now: Ms) -> str:
    lasts, why = about(now - trouble.since), ended(_UNTOLD.get(trouble.reason, "see the log"))
    return f"The receiver `{trouble.receiver}` has taken no notice for {lasts} ({trouble.reason}): {why}"


def _of_webhooks(trouble: Trouble, now: Ms) -> str:
    webhooks = f"{trouble.count} webhooks were" if trouble.count > 1 else "A webhook was"
    why = _REJECTED.get(trouble.reason, "see docs/http.md")
    return f"{webhooks} refused in the last 5 min, the last {ago(trouble.last_at, now)} ({trouble.reason}): {why}."


def _astray(trouble: Trouble, now: Ms) -> str:
    webhooks = f"{trouble.count} webhooks" if trouble.count > 1 else "A webhook"
    mend = "LiveKit's `webhook.urls` must name this service's /webhook"
    if trouble.reason == "wrong_method":
        mend = "a redirect has made a GET of it: `webhook.urls` must name what the redirect leads to"
    return (
        f"{webhooks} came to a wrong place in the last 5 min, the last {ago(trouble.last_at, now)} as "
        f"{trouble.asked}: {mend}."
    )
