"""Signatures are those of Standard Webhooks."""

import base64

from dispatcher.config import Secret
from dispatcher.config.receivers import signing_key
from dispatcher.notices.signature import signed

# The example of the specification's own reference libraries (standard-webhooks/standard-webhooks, libraries/*/test).
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, STAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_reference_example_is_signed_as_it_says() -> None:
    """Id, timestamp and signature, to the byte."""
    assert signed(ID, BODY, signing_key(Secret(SECRET)), STAMP * 1_000 + 999) == {
        "webhook-id": ID,
        "webhook-timestamp": str(STAMP),
        "webhook-signature": SIGNATURE,
    }


def test_a_secret_is_read_with_and_without_its_prefix() -> None:
    """As receivers' libraries read it."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))

    assert signing_key(Secret(SECRET)) == signing_key(Secret(SECRET.removeprefix("whsec_"))) == key
