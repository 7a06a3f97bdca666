"""What the environment says. It wins over the file; a variable that is empty is one that is not set."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.config import values
from dispatcher.config.document import read_text
from dispatcher.config.misspelt import misspelt
from dispatcher.config.problems import Problem, in_environment
from dispatcher.config.types import LedgerAt, Secret
from dispatcher.ledger.redis import address

T = TypeVar("T")

HOST: Final = "0.0.0.0"  # noqa: S104  a container's port is reached from outside it
PORT: Final = 8080
_LOOPBACK: Final = {HOST: "127.0.0.1", "::": "::1"}  # who listens at every address is asked at these
SERVICE_LINK: Final = "tcp://"  # what Kubernetes writes into NAME_PORT for a Service of that name
PROXIES: Final = frozenset({"HTTP_PROXY", "HTTPS_PROXY"})  # in small letters, too: `livekit.proxies` reads them
SHORT: Final = 16  # characters; a token of fewer can be guessed, as nothing slows down who tries
HIDDEN: Final = ("REDIS_URL", "DISPATCHER_API_TOKEN")  # of which people see whether they are set
SECRET_FILES: Final = tuple(  # variables that name a file; a test holds them equal to what is read
    f"{name}_FILE" for name in ("LIVEKIT_API_SECRET", "LIVEKIT_KEYS", *HIDDEN)
)
_PAIRS: Final = "write it as LiveKit does: `key: secret`, one pair a line, with the space"


class Environment(Struct, frozen=True, kw_only=True):
    """The values of the variables. One with a wrong value is in `given` and `problems`, and has no value here."""

    given: frozenset[str]  # without `_FILE`
    url: str | None
    keys: Mapping[str, Secret]  # LIVEKIT_API_KEY comes before those of LIVEKIT_KEYS
    ledger: LedgerAt | None
    config: Path | None
    agent: str | None
    host: str
    port: int
    admin_port: int | None
    api_token: Secret | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def read_environment(environ: Mapping[str, str]) -> Environment:
    """Reads every variable that means something here."""
    variables = _Variables(environ)
    url = variables.take("LIVEKIT_URL", values.url)
    keys = _keys(variables)
    port, admin_port = _ports(variables)
    api_token = _api_token(variables)
    variables.problems += _odd_proxies(environ)
    read = Environment(
        url=url,
        keys=keys,
        ledger=variables.take("REDIS_URL", _redis, secret=True),
        config=variables.take("DISPATCHER_CONFIG", Path),
        agent=variables.take("DISPATCHER_AGENT", values.dispatched),
        host=variables.take("DISPATCHER_HOST", str) or HOST,
        port=port,
        admin_port=admin_port,
        api_token=api_token,
        given=frozenset(variables.given),
        problems=tuple(variables.problems),
        warnings=(),
    )
    return replace(read, warnings=(*variables.warnings, *misspelt(environ, variables.known)))


def http_url(host: str, port: int) -> str:
    """The URL of an address; that of IPv6 stands in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def service_url(environ: Mapping[str, str], *, admin: bool = False) -> str:
    """Where a service of this environment is asked from the same machine; what is wrong there counts as not set.

    `admin`: for probes, metrics and API, not for webhooks.
    """
    variables = _Variables(environ)
    host, (port, admin_port) = variables.text("DISPATCHER_HOST") or HOST, _ports(variables)
    return http_url(_LOOPBACK.get(host, host), port if not admin or admin_port is None else admin_port)


class _Variables:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.given: set[str] = set()
        self.known: set[str] = set()  # every variable that was asked for
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def take(self, name: str, read: Callable[[str], T], *, secret: bool = False) -> T | None:
        """A variable's value, or None if it is not set or wrong. A secret may be in the file that NAME_FILE names."""
        text = self.text(name)
        file = self.text(f"{name}_FILE") if secret else ""
        if not text and not file:
            return None
        self.given.add(name)
        if text and file:
            self.problems.append(in_environment(f"{name}_FILE", f"{name} is set too; set one of them"))
            return None
        try:
            return read(values.bare(values.secret_file(Path(file)) if file else text))
        except ValueError as wrong:
            self.problems.append(in_environment(f"{name}_FILE" if file else name, str(wrong)))
            return None

    def text(self, name: str) -> str:
        """A variable as it stands, without the space around it; empty if it is not set."""
        self.known.add(name)
        return self._environ.get(name, "").strip()


def _keys(variables: _Variables) -> dict[str, Secret]:
    key = variables.take("LIVEKIT_API_KEY", values.api_key)
    secret = variables.take("LIVEKIT_API_SECRET", values.sealed, secret=True)
    pairs = variables.take("LIVEKIT_KEYS", _pairs, secret=True) or {}
    for one, other in (("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"), ("LIVEKIT_API_SECRET", "LIVEKIT_API_KEY")):
        if one in variables.given and other not in variables.given:
            variables.problems.append(in_environment(other, f"missing; {one} is set"))
    if key is None or secret is None:
        return pairs
    if pairs.get(key, secret) != secret:
        variables.problems.append(in_environment("LIVEKIT_KEYS", "has another secret for the key of LIVEKIT_API_KEY"))
    return {key: secret, **pairs}


def _pairs(text: str) -> dict[str, Secret]:
    document = read_text(text, "")
    if document.problems or not document.tree:
        raise ValueError(_PAIRS)
    pairs: dict[str, Secret] = {}
    for key, secret in document.tree.items():
        if not isinstance(secret, str) or not secret:
            raise ValueError(_PAIRS)
        pairs[values.api_key(key)] = values.sealed(secret)
    return pairs


def _port(variables: _Variables, name: str) -> int | None:
    if variables.text(name).startswith(SERVICE_LINK):
        service = name.removesuffix("_PORT").lower().replace("_", "-")
        said = f"ignored: Kubernetes sets it for a Service named {service}; `enableServiceLinks: false` keeps it out"
        variables.warnings.append(in_environment(name, said))
        return None
    return variables.take(name, values.whole(0, 65_535))


def _ports(variables: _Variables) -> tuple[int, int | None]:
    """The webhooks' port, and that of all the rest if it has one of its own."""
    webhooks, name = _port(variables, "DISPATCHER_PORT"), "DISPATCHER_ADMIN_PORT"
    port, admin = PORT if webhooks is None else webhooks, _port(variables, name)
    if admin and admin == port:
        variables.problems.append(in_environment(name, "is the webhooks' port too; take another, or leave it out"))
    return port, admin


def _odd_proxies(environ: Mapping[str, str]) -> Iterator[Problem]:
    """Proxies that calls to LiveKit cannot go by: better no start than calls that do not go where somebody says."""
    for name in sorted(environ):
        scheme, there, _ = environ[name].partition("://")
        if name.upper() in PROXIES and there and scheme.lower() != "http":
            yield in_environment(name, "only http:// proxies are known here; unset it for this process, or name one")


def _api_token(variables: _Variables) -> Secret | None:
    name = "DISPATCHER_API_TOKEN"
    token = variables.take(name, lambda text: Secret(values.token(text)), secret=True)
    if token is not None and len(token.get_secret_value()) < SHORT:
        said = f"under {SHORT} characters can be guessed; take some of `openssl rand -hex 32`"
        variables.warnings.append(in_environment(name, said))
    return token


def _redis(text: str) -> LedgerAt:
    return LedgerAt("redis", address.read(text))
