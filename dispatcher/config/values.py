"""One value as somebody wrote it → the value it stands for, or a ValueError that says what to write instead.

No message repeats what was written: a secret may have been put in the wrong field.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from dispatcher.config.problems import did_you_mean
from dispatcher.config.types import Secret
from dispatcher.core.facts import AGENT, KINDS, Ms
from dispatcher.core.rules import is_launch

SECRET_FILE_MAX: Final = 64 * 1024  # bytes
NAME_MAX: Final = 64  # characters
PRODUCTION: Final = "production"  # LiveKit Cloud's name of the deployment that has none
DEPLOYMENT_MAX: Final = 64  # bytes; LiveKit's own limit (protocol, agent/environment.go)
WANTED_KINDS: Final = KINDS - {AGENT, "EGRESS"}  # who may want an agent: an agent and a recorder never do

_DURATION: Final = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?(?:([0-9]{1,9})ms)?")
SPAN_PATTERN: Final = "^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?([0-9]{1,9}ms)?$"  # the same, for a JSON Schema
MEMORY_PATTERN: Final = "^[0-9]{1,6}(MiB|GiB)$"  # so is this
_UNITS: Final = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_MEMORY: Final = {"MiB": 1 << 20, "GiB": 1 << 30}
_REFERENCE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_QUOTES: Final = "\"'`"
_VISIBLE: Final = re.compile("[!-~]+")
_WORKER_URL: Final = "write http:// or dns+http://, a host and a port, such as http://agent-1:8081"
_URL: Final = "write a URL such as wss://example.livekit.cloud or http://localhost:7880"


def span(low: Ms, high: Ms) -> Callable[[str], Ms]:
    """Reads durations such as 10s, 500ms, 1m30s or 2h, within bounds."""

    def read(text: str) -> Ms:
        match = _DURATION.fullmatch(text)
        if match is None or not text:
            raise ValueError("write a duration with its unit, such as 10s, 500ms or 1m30s")
        value = sum(int(count or 0) * unit for count, unit in zip(match.groups(), _UNITS.values(), strict=True))
        if not low <= value <= high:
            raise ValueError(f"must be from {show_span(low)} to {show_span(high)}")
        return value

    return read


def show_span(value: Ms) -> str:
    """A duration as one would write it: 90,000 ms is 1m30s."""
    parts = []
    for name, unit in _UNITS.items():
        count, value = divmod(value, unit)
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts) or "0s"


def whole(low: int, high: int) -> Callable[[str], int]:
    """Reads whole numbers within bounds."""

    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"write a whole number from {low} to {high}")
        return int(text)

    return read


def memory(low: int) -> Callable[[str], int]:
    """Reads an amount of memory, such as 512MiB or 2GiB, in bytes: `low` at least."""

    def read(text: str) -> int:
        match = re.fullmatch("([0-9]{1,6})(MiB|GiB)", text)
        if match is None:
            raise ValueError("write an amount with its unit, such as 512MiB or 2GiB")
        value = int(match[1]) * _MEMORY[match[2]]
        if value < low:
            raise ValueError(f"must be {show_memory(low)} at least")
        return value

    return read


def show_memory(value: int) -> str:
    """An amount of memory as one would write it; none is nothing."""
    if not value:
        return ""
    return f"{value >> 20}MiB" if value % _MEMORY["GiB"] else f"{value >> 30}GiB"


def variable(text: str) -> str:
    """The name of an environment variable."""
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", text):
        raise ValueError("write a variable's name, such as PATH")
    return text


def argument(text: str) -> str:
    """A word of a command line, as it is: no shell reads it."""
    if not text or "\0" in text:
        raise ValueError("write a word of the command, not empty")
    return text


def truth(text: str) -> bool:
    """Reads `true` and `false`."""
    if text not in {"true", "false"}:
        raise ValueError("write true or false")
    return text == "true"


def name(text: str) -> str:
    """The name of a rule, a project or the installation: it becomes part of keys, labels and tags."""
    if not re.fullmatch(r"[a-z0-9_-]+", text) or len(text) > NAME_MAX:
        raise ValueError(f"write a name of a-z, 0-9, _ and -, at most {NAME_MAX} characters")
    return text


def agent_name(text: str) -> str:
    """The name that workers register under. LiveKit compares it letter by letter; the empty one means every room."""
    if not text or text != text.strip() or not text.isprintable():
        raise ValueError("write the name your agent registers under, not empty, without spaces around it")
    return text


def dispatched(text: str) -> str:
    """As `agent_name`, of an agent that LiveKit dispatches: what people call a launcher is none."""
    if is_launch(text):
        raise ValueError("this is how people call a launcher; a rule asks it with {launch: NAME}")
    return agent_name(text)


def deployment(text: str) -> str:
    """The deployment that workers register under; empty for the ordinary one, which is also called `production`."""
    if len(text.encode()) > DEPLOYMENT_MAX or re.search(r"\s", text):
        raise ValueError(f"must be at most {DEPLOYMENT_MAX} bytes, without spaces")
    return "" if text == PRODUCTION else text


def kind(text: str) -> str:
    """A kind of participant that may want an agent, by LiveKit's name."""
    if text in {AGENT, "EGRESS"}:
        raise ValueError(f"{text} participants never want an agent")
    if text not in WANTED_KINDS:
        raise ValueError(f"write one of {', '.join(sorted(WANTED_KINDS))}{did_you_mean(text.upper(), WANTED_KINDS)}")
    return text


def api_key(text: str) -> str:
    """The public half of a LiveKit key pair, such as APIabc123."""
    if not _VISIBLE.fullmatch(text):
        raise ValueError("write the API key, without spaces")
    return text


def url(text: str) -> str:
    """Where a project's LiveKit answers. The SDK turns ws into http. No user, password, query or fragment."""
    parts, port = split(text, _URL)
    if parts.scheme not in {"ws", "wss", "http", "https"} or not parts.hostname or port == 0:
        raise ValueError(_URL)
    if not _VISIBLE.fullmatch(text):
        raise ValueError(f"{_URL}, in ASCII and without spaces")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{_URL}, without user, password, ? or #")
    return text.rstrip("/")


def worker_url(text: str) -> str:
    """Where a worker answers over HTTP; with dns+ before it, every address of the name is one's."""
    parts, port = split(text.removeprefix("dns+"), _WORKER_URL)
    wrong = "@" in parts.netloc or parts.query or parts.fragment or parts.path.strip("/")
    if parts.scheme != "http" or not parts.hostname or not port or wrong or not _VISIBLE.fullmatch(text):
        raise ValueError(_WORKER_URL)
    return text.rstrip("/")


def launcher_url(text: str) -> str:
    """Where a launcher answers over HTTP. No user, password, path, query or fragment."""
    wrong = "write http:// or https://, a host and a port, such as http://gpu-1:8089"
    parts, port = split(text, wrong)
    odd = "@" in parts.netloc or parts.query or parts.fragment or parts.path.strip("/")
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or odd or not _VISIBLE.fullmatch(text):
        raise ValueError(wrong)
    return text.rstrip("/")


def public_url(text: str) -> str:
    """Where people reach this service with a browser. No user, password, query or fragment."""
    wrong = "write a URL such as https://dispatcher.example.com"
    parts, port = split(text, wrong)
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or not _VISIBLE.fullmatch(text):
        raise ValueError(wrong)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{wrong}, without user, password, ? or #")
    return text.rstrip("/")


def header(text: str) -> str:
    """The name of an HTTP header (RFC 9110 §5.1)."""
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", text) or text.lower() in {"authorization", "cookie", "host"}:
        raise ValueError("write the name of a header that your proxy sets, such as X-Forwarded-User")
    return text


def network(text: str) -> str:
    """The address of a proxy, or a network of them."""
    try:
        found = ip_network(text)
    except ValueError:
        raise ValueError("write an address or a network, such as 10.0.0.7 or 10.1.0.0/16") from None
    if not found.prefixlen:
        raise ValueError("everybody would be a proxy; write your proxies' own addresses")
    return str(found)


def token(text: str) -> str:
    """A bearer token that an HTTP header can carry."""
    if not _VISIBLE.fullmatch(text):
        raise ValueError("write a token of ASCII letters, digits and signs, without spaces")
    return text


def secret(text: str, environ: Mapping[str, str], folder: Path) -> Secret:
    """A secret written in place, as `${VARIABLE}`, or as `file:/path` (relative to `folder`)."""
    if reference := _REFERENCE.fullmatch(text):
        variable = reference[1]
        if not environ.get(variable, "").strip():
            raise ValueError(f"${{{variable}}} is not set in the environment")
        return sealed(environ[variable])
    if "${" in text:
        raise ValueError("write ${VARIABLE} alone, with nothing around it")
    if text.startswith("file:"):
        return sealed(secret_file(folder / text.removeprefix("file:")))
    return sealed(text)


def sealed(text: str) -> Secret:
    """A secret's own text, without the space around it: from here on it never shows."""
    text = bare(text)
    if not text:
        raise ValueError("has no value")
    if len(text.splitlines()) > 1:
        raise ValueError("has line ends inside; a secret is one line")
    if not text.isprintable():
        raise ValueError("a secret is one line of printable characters")
    return Secret(text)


def bare(text: str) -> str:
    """The text without the space around it. Quotes around it would be part of it, and nobody means that."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES:
        raise ValueError("is in quotes, which count as part of it here, as for docker's --env-file: leave them out")
    return text


def secret_file(path: Path) -> str:
    """The text of a secret's file, without the space around it."""
    try:
        with path.open("rb") as file:
            content = file.read(SECRET_FILE_MAX + 1)
        text = content.decode().strip()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:  # its text holds the bytes
        raise ValueError(f"{path} is not UTF-8") from None
    if len(content) > SECRET_FILE_MAX:
        raise ValueError(f"{path} is over {SECRET_FILE_MAX // 1024} KiB")
    if not text:
        raise ValueError(f"{path} is empty")
    return text


def split(url: str, wrong: str) -> tuple[SplitResult, int | None]:
    """The URL's parts, and its port. Raises ValueError: `wrong`, as the library's own text holds what was written."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(wrong) from None
    return parts, port
