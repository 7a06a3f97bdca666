"""What each process of ours makes of the configuration: its LiveKit's clients, and keys derived from its secrets."""

import hmac

from dispatcher.config import Config, Project
from dispatcher.livekit.answers import TwirpSession
from dispatcher.livekit.client import LIMITS, CallLimits, LiveKit
from dispatcher.telemetry.calls import CallRecorder


def connect(project: Project, session: TwirpSession, calls: CallRecorder, limits: CallLimits = LIMITS) -> LiveKit:
    """The project's LiveKit, called with its first key. Nothing is asked yet."""
    key, secret = next(iter(project.keys.items()))
    observe = calls.livekit_called
    return LiveKit(project.url, key, secret.get_secret_value(), session=session, observe=observe, limits=limits)


def derived_key(config: Config, purpose: bytes) -> bytes:
    """A key of the secret that all processes have: the first key's of the first project."""
    secret = next(iter(config.projects[0].keys.values())).get_secret_value()
    return hmac.digest(secret.encode(), purpose, "sha256")


def mask_key(config: Config) -> bytes | None:
    """The key of the marks that stand for identities; None: they are shown as they are."""
    return derived_key(config, b"dispatcher: masked identities") if config.redact_identities else None
