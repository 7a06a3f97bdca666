"""Why a connection failed, as the system says it: refused, no such name, no certificate that is trusted."""

import os
import re
import ssl
from collections.abc import Iterator
from typing import Final

from aiohttp import ClientConnectorCertificateError

_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")  # of several addresses tried, each has one


def why(error: BaseException) -> str:
    """The system's reason among an error and what led to it; "" if the system had no part in it.

    Nothing of what was sent is in it: the texts are the system's own.
    """
    return next(filter(None, map(_reason, _chain(error))), "")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str:
    match error:
        case ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as refused):
            return _untrusted(refused)
        case ssl.SSLCertVerificationError():
            return _untrusted(error)
        case ssl.SSLError(reason=str(reason)) if reason:
            return f"TLS: {reason.replace('_', ' ').lower()}"
        case TimeoutError(errno=None):
            return ""
        case OSError(errno=int(number), strerror=text):
            return os.strerror(number) if number > 0 else text or ""  # below 0: a name that was not found
        case OSError():
            numbers = _ERRNO.findall(str(error))
            return ", ".join(dict.fromkeys(os.strerror(int(number)) for number in numbers))
        case _:
            return ""


def _untrusted(refused: ssl.SSLCertVerificationError) -> str:
    return f"its certificate is not trusted: {refused.verify_message} (SSL_CERT_FILE names others to trust)"
