"""A real Prometheus, Debian's, that scrapes a service with the rules that are shipped."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from tests.gates.tree import ROOT
from tests.integration.house import House
from tests.real.child import Child
from tests.real.debian import PROMETHEUS
from tests.real.server import free_port, missing

RULES: Final = ROOT / "deploy" / "prometheus"
PROMTOOL: Final = PROMETHEUS.binary.with_name("promtool")


def need_prometheus() -> None:
    """Skips the test without it; fails it where CI is set."""
    if not PROMTOOL.exists():
        missing("no promtool: run `python -m tests.real.debian prometheus`")


@contextmanager
def scraping(here: House, folder: Path) -> Iterator[str]:
    """A Prometheus with our rules, each second; its URL."""
    target = here.service.admin_url.removeprefix("http://")
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES / "alerts.yaml")],
        "scrape_configs": [{"job_name": "dispatcher", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        str(PROMETHEUS.binary),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with Child(command, folder / "prometheus.log") as child:
        child.wait_until(lambda: "ready to receive web requests" in child.output(), "Prometheus answers", 30)
        yield f"http://127.0.0.1:{port}"


async def asked(url: str, query: str) -> list[dict[str, Any]]:
    """What Prometheus knows now."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/api/v1/query", params={"query": query}) as answer:
        found: list[dict[str, Any]] = json.loads(await answer.text())["data"]["result"]
        return found


async def until_found(url: str, query: str, within: float) -> dict[str, Any]:
    """The first series of the query, as soon as there is one."""
    async with asyncio.timeout(within):
        while not (found := await asked(url, query)):
            await asyncio.sleep(0.5)
    return found[0]
