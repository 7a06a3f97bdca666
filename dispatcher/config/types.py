"""The configuration as the rest of the program sees it: frozen, complete, every default filled in."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from msgspec import Struct
from pydantic import SecretStr

from dispatcher.config.problems import Problem
from dispatcher.core.facts import Ms
from dispatcher.core.notices import SUBSCRIBABLE, NoticeKind, Pacing
from dispatcher.core.rules import Policy, Rule, Target, named_by
from dispatcher.ledger.ended import EndedRooms
from dispatcher.ledger.redis.address import Address

NoticeFormat: TypeAlias = Literal["standard", "slack", "pagerduty"]
OnStop: TypeAlias = Literal["end", "wait"]
Scope: TypeAlias = Literal["read", "dispatch", "admin"]
Secret: TypeAlias = SecretStr  # shows itself as asterisks everywhere; `get_secret_value()` is the one way in


SECRET_MIN: Final = 32  # bytes; HS256's own measure (RFC 7518 §3.2)


def endpoint(url: str) -> str:
    """Where a LiveKit's URL leads: the same for one place, however it is written."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme in {"wss", "https"} else 80)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{host}:{port}{parts.path.rstrip('/')}"


class ApiRateLimit(Struct, frozen=True, kw_only=True):
    """How many requests a project's LiveKit gets, over all replicas."""

    calls_per_second: int
    burst: int = 8  # at once


class ApiToken(Struct, frozen=True, kw_only=True):
    """Who may ask the API, and what."""

    name: str  # told in the timeline and the log, wherever this token orders something
    token: Secret
    scopes: frozenset[Scope]  # `admin` may all
    projects: frozenset[str] | None = None  # None: all
    agents: frozenset[str] | None = None  # that it may ask for, and cancel; None: all


class Ui(Struct, frozen=True, kw_only=True):
    """The page, and who is signed in by the operator's own proxy: nobody, unless a header and proxies are named."""

    enabled: bool = True
    trust_header: str = ""  # names who it is, in requests from one of
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    scopes: frozenset[Scope] = frozenset({"read"})  # of whoever comes so


class ProbeSettings(Struct, frozen=True, kw_only=True):
    """Which agents of a project are asked for to see whether they come, and how often."""

    every: Ms = 60_000
    targets: tuple[Target, ...] = ()


class Project(Struct, frozen=True, kw_only=True):
    """One LiveKit project. Its first key signs our own calls; a webhook signed with any of them is this project's."""

    name: str
    url: str  # ws, wss, http or https, without a slash at its end
    keys: Mapping[str, Secret]  # API key → its secret; at least one, and none is another project's
    rules: tuple[Rule, ...] | None = None  # None: the configuration's
    paused: frozenset[str] = frozenset()  # agents that nobody is to be given for now
    api_rate_limit: ApiRateLimit | None = None  # None: none
    limits: Policy = Policy(targets=())  # of agents that are ordered by name
    probe: ProbeSettings | None = None  # None: nobody is

    @property
    def weak_keys(self) -> tuple[str, ...]:
        """Keys whose secret has under SECRET_MIN bytes: whoever has one token can try all secrets of that length."""
        return tuple(key for key, secret in self.keys.items() if len(secret.get_secret_value().encode()) < SECRET_MIN)


class Receiver(Struct, frozen=True, kw_only=True):
    """Who is told of what happens, and how."""

    name: str
    url: Secret  # who has Slack's may write there
    format: NoticeFormat
    secret: Secret = SecretStr("")  # standard: the key of signatures; pagerduty: the routing key; slack: none
    kinds: frozenset[NoticeKind] = frozenset(SUBSCRIBABLE)
    allow_private: bool = False  # addresses that are not on the public internet
    pacing: Pacing = Pacing()


class SweepSettings(Struct, frozen=True, kw_only=True):
    """How often all live rooms are compared with the ledger, and how many looks a second that may cost a project."""

    every: Ms = 30_000
    looks_per_second: int = 50


class CreateRate(Struct, frozen=True, kw_only=True):
    """How fast dispatches are created, per project and target: LiveKit loses some of those that come at once."""

    per_second: int = 50
    burst: int = 3


class LauncherSettings(Struct, frozen=True, kw_only=True):
    """A launcher: which process it starts for a room, how many at once, and for how long; and where rules ask it."""

    name: str
    command: tuple[str, ...]  # no shell reads it; none: it runs elsewhere
    limit: int  # processes at once; 0: none
    join_within: Ms = 30_000
    max_life: Ms = 7_200_000
    stop_within: Ms = 5_000  # between SIGTERM and SIGKILL
    env: Mapping[str, Secret] = MappingProxyType({})
    passed: tuple[str, ...] = ("PATH", "HOME", "LANG")  # variables of ours that the process gets, too
    warm: int = 0  # processes that are started ahead
    cwd: Path | None = None  # None: the launcher's own
    memory_max: int = 0  # bytes, of a process with all that it has started; 0: no limit
    on_stop: OnStop = "end"
    urls: tuple[str, ...] = ()  # of every launcher of this name that rules ask; none: they do not
    token: Secret | None = None  # whoever sends it may launch by any token that joins the room


class LedgerAt(Struct, frozen=True):
    """The home of a ledger that replicas share, and where it answers."""

    home: Literal["redis"]
    address: Address


FIXED: Final = ("instance", "host", "port", "admin_port", "ledger", "concurrency")  # change at the next start only
TOLD_AS: Final = {"ledger": "redis_url"}  # outside, a setting keeps the name that it had


class Config(Struct, frozen=True, kw_only=True):
    """Everything that can be set. `file` is None when the environment alone said it all."""

    projects: tuple[Project, ...]
    rules: tuple[Rule, ...]
    instance: str
    sweep: SweepSettings
    create_rate: CreateRate | None  # None: all at once
    ended_rooms: EndedRooms = EndedRooms()
    workers: tuple[str, ...] = ()  # where they are asked who they are: http://host:port, dns+http://name:port
    public_url: str = ""  # where people reach the admin port, for links; "": there are none
    receivers: tuple[Receiver, ...] = ()  # of notices
    redact_identities: bool = False  # identities, in what people read
    concurrency: int = 256  # driven by one process
    launchers: tuple[LauncherSettings, ...] = ()
    host: str
    port: int  # 0: any free one
    admin_port: int | None = None  # of probes, metrics and API; None: on the webhooks' port too
    ledger: LedgerAt | None  # the home that replicas share; None: this process's memory
    take_over: bool = False  # the ledger, at the start, from another installation: the command line says so
    api_token: Secret | None  # the environment's, which may all
    api_tokens: tuple[ApiToken, ...] = ()  # the file's
    ui: Ui = Ui()
    file: Path | None
    text: str = ""  # all of it, as people may see it: without secrets
    warnings: tuple[Problem, ...]
    hints: tuple[Problem, ...] = ()  # what is right, and may not be meant so

    def rules_of(self, project: Project) -> tuple[Rule, ...]:
        """The rules that hold in a project: its own, else those of all."""
        return self.rules if project.rules is None else project.rules

    @property
    def callers(self) -> tuple[ApiToken, ...]:
        """Who may ask the API; nobody: it is off."""
        if self.api_token is None:
            return self.api_tokens
        everything = ApiToken(name="environment", token=self.api_token, scopes=frozenset({"admin"}))
        return (everything, *self.api_tokens)

    @property
    def named(self) -> frozenset[Target]:
        """Every target that a rule names outright, or that is probed, in any project."""
        probed = (project.probe.targets for project in self.projects if project.probe)
        return frozenset(named_by(self.rules_in_force).union(*probed))

    @property
    def rules_in_force(self) -> tuple[Rule, ...]:
        """Those of every project; what two projects share is there twice."""
        return tuple(rule for project in self.projects for rule in self.rules_of(project))
