"""Where the health check asks, and what it makes of the answers."""

import argparse
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher.__main__ import main
from dispatcher.cli import healthcheck
from dispatcher.config.environment import service_url

PORTS = st.sampled_from(
    ["", " 8081 ", "0", "65535", "65536", "-1", "x", "tcp://10.0.0.1:80", "\N{ARABIC-INDIC DIGIT ONE}"]
)
HOSTS = st.sampled_from(["", "0.0.0.0", "::", "::1", "127.0.0.1", " 10.0.0.1", "localhost"])  # noqa: S104  as may be set


@given(host=HOSTS, port=PORTS, admin=PORTS)
@example(host="", port="", admin="")
def test_it_asks_where_other_commands_ask(host: str, port: str, admin: str) -> None:
    """The variables are read without the code that reads them all, and mean the same."""
    environ = {"DISPATCHER_HOST": host, "DISPATCHER_PORT": port, "DISPATCHER_ADMIN_PORT": admin}
    there = urlsplit(service_url(environ, admin=True))

    assert healthcheck.address(environ) == (there.hostname, there.port)


class Ill(BaseHTTPRequestHandler):
    """Answers 503, whatever is asked."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_service_that_is_ill_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any answer but 200, with what it was; as a command with its arguments, too."""
    with HTTPServer(("127.0.0.1", 0), Ill) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DISPATCHER_HOST", "127.0.0.1")
        monkeypatch.setenv("DISPATCHER_PORT", str(server.server_port))
        monkeypatch.delenv("DISPATCHER_ADMIN_PORT", raising=False)

        monkeypatch.setattr("sys.argv", ["dispatcher", "healthcheck"])

        assert main() == 1
        assert healthcheck.run(argparse.Namespace()) == 1
        assert capsys.readouterr().err == f"127.0.0.1 port {server.server_port}: /healthz answers 503\n" * 2
        server.shutdown()
