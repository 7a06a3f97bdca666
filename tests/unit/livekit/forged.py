"""Webhook tokens made by hand, as an attacker or another library would: nothing here uses the code under test."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Final

NOW: Final = 1_795_251_778  # seconds
KEY: Final = "devkey"
SECRET: Final = "devsecret-devsecret-devsecret-devsecret"
HEADER: Final = {"alg": "HS256", "typ": "JWT"}
BODY: Final = (
    b'{"event":"room_started", "room":{"sid":"RM_1", "name":"caf\xc3\xa9 <1>"}, "id":"EV_1", "createdAt":"1795251778"}'
)


def digest(body: bytes) -> str:
    """The body's hash as LiveKit writes it: standard base64, padded."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def claims(body: bytes = BODY, /, **changed: object) -> dict[str, object]:
    """LiveKit's claims for a body; a claim changed to None is left out."""
    made = {"iss": KEY, "exp": NOW + 300, "nbf": NOW, "iat": NOW, "sha256": digest(body)} | changed
    return {name: value for name, value in made.items() if value is not None}


def token(
    payload: Mapping[str, object] | bytes,
    *,
    header: Mapping[str, object] | bytes = HEADER,
    secret: str = SECRET,
    algorithm: str = "sha256",
) -> str:
    """A token with any header and payload, whose signature is right for `secret` and `algorithm`."""
    signed = f"{segment(header)}.{segment(payload)}"
    signature = hmac.digest(secret.encode(), signed.encode(), algorithm)
    return f"{signed}.{unpadded(signature)}"


def segment(content: Mapping[str, object] | bytes) -> str:
    """One part of a token."""
    return unpadded(content if isinstance(content, bytes) else json.dumps(content).encode())


def unpadded(content: bytes) -> str:
    """Base64 as tokens have it."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
