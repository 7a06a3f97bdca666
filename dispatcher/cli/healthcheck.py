"""`dispatcher healthcheck`: is the service alive that listens where this environment says?

A container's health check runs it every few seconds, so it imports the standard library alone: what other commands
import takes half a second of CPU. A test holds the address equal to theirs.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import Final

NAME: Final = "healthcheck"
HELP: Final = "ask whether the service on this machine is alive: exit code 0 or 1"
EXAMPLE: Final = "dispatcher healthcheck"
READS: Final = ("DISPATCHER_HOST", "DISPATCHER_PORT", "DISPATCHER_ADMIN_PORT")

WITHIN_S: Final = 2.0
_PORT: Final = 8080
_HIGHEST: Final = 65_535
_EVERYWHERE: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where to ask who listens there


def add(_parser: argparse.ArgumentParser) -> None:
    """Declare no options."""


def run(_arguments: argparse.Namespace) -> int:
    """Ask the service of this environment."""
    return check(os.environ)


def check(environ: Mapping[str, str]) -> int:
    """Exit code 0 if `/healthz` answers 200 within WITHIN_S, else 1 and a line that says why."""
    host, port = address(environ)
    connection = HTTPConnection(host, port, timeout=WITHIN_S)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"{host} port {port}: {type(error).__name__}: {error}\n")
        return 1
    finally:
        connection.close()
    if status != 200:
        sys.stderr.write(f"{host} port {port}: /healthz answers {status}\n")
        return 1
    return 0


def address(environ: Mapping[str, str]) -> tuple[str, int]:
    """Where the probes are, by the variables that `dispatcher.config.environment` reads, as it reads them."""
    host = environ.get("DISPATCHER_HOST", "").strip()
    listens = (_port(environ, name) for name in ("DISPATCHER_ADMIN_PORT", "DISPATCHER_PORT"))
    return _EVERYWHERE.get(host, host), next((port for port in listens if port is not None), _PORT)


def _port(environ: Mapping[str, str], name: str) -> int | None:
    """The port that a variable holds; None: it is not set, or is no port, as Kubernetes' own `tcp://…`."""
    text = environ.get(name, "").strip()
    return int(text) if re.fullmatch("[0-9]{1,9}", text) and int(text) <= _HIGHEST else None
