"""The image's health check: asks /healthz where the service listens. Exit code 0: it is alive.

The standard library alone, as it runs every ten seconds. Variables are read as by `dispatcher.config.environment`.
"""

import os
from http.client import HTTPConnection

PORT = "8080"


def port(name: str) -> str:
    """The port that a variable holds; Kubernetes' own `tcp://…` is none."""
    value = os.environ.get(name, "").strip()
    return "" if value.startswith("tcp://") else value


def main() -> int:
    """Ask, and give the exit code."""
    host = os.environ.get("DISPATCHER_HOST", "").strip() or "0.0.0.0"  # noqa: S104  the service's own default
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  whoever listens everywhere
    listens = port("DISPATCHER_ADMIN_PORT") or port("DISPATCHER_PORT") or PORT
    connection = HTTPConnection(reached, int(listens), timeout=2)
    connection.request("GET", "/healthz")
    return 0 if connection.getresponse().status == 200 else 1


if __name__ == "__main__":
    raise SystemExit(main())
