"""Signs what is sent as Standard Webhooks says (standardwebhooks.com, v1): HMAC-SHA256 of id, timestamp and body."""

import base64
import hmac
from collections.abc import Mapping

from dispatcher.core.facts import Ms


def signed(id_: str, body: bytes, key: bytes, now: Ms) -> Mapping[str, str]:
    """The headers that let a receiver verify who sent the body, and when. `now` is the machine's own time."""
    stamp = str(now // 1000)
    digest = hmac.digest(key, f"{id_}.{stamp}.".encode() + body, "sha256")
    return {
        "webhook-id": id_,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
