"""The alerts that are shipped: promtool's word on them, and a real Prometheus that scrapes the real service."""

import asyncio
import subprocess
from pathlib import Path

import aiohttp
import pytest

from tests.integration.house import house, rule
from tests.real.prometheus import PROMTOOL, RULES, need_prometheus, scraping, until_found

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def installed() -> None:
    """Skips the test without Prometheus; fails it where CI is set."""
    need_prometheus()


def promtool(*arguments: str) -> str:
    """What it says; it finds nothing wrong."""
    done = subprocess.run([PROMTOOL, *arguments], cwd=RULES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    """Neither syntax nor names."""
    assert "SUCCESS: 28 rules found" in promtool("check", "rules", "alerts.yaml")


def test_every_alert_fires_in_its_trouble_and_in_no_other() -> None:
    """Before, in and after it: docs/alerts.md says what to do."""
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yaml")


def judged(exposed: bytes) -> bytes:
    """What promtool says of metrics."""
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=exposed, capture_output=True, check=False)
    return done.stdout + done.stderr


async def test_promtool_finds_nothing_wrong_with_the_metrics() -> None:
    """As the service exposes them."""
    async with house() as here, aiohttp.ClientSession() as http, http.get(f"{here.service.url}/metrics") as answer:
        exposed = await answer.read()
    done = await asyncio.to_thread(judged, exposed)
    assert b"error" not in done, done.decode()


async def test_a_real_prometheus_fires_when_somebody_starves(tmp_path: Path) -> None:
    """No worker at all: the alert comes within a minute, with its page; a worker ends it."""
    async with house(rule("greeter", attempts=1)) as here:
        with scraping(here, tmp_path) as url:
            await until_found(url, 'up{job="dispatcher"} == 1', 20)
            await here.livekit.rooms.join("lobby", "alice")
            await here.told("assignment.starved")
            fired = await until_found(url, 'ALERTS{alertname="DispatcherAssignmentStarved", alertstate="firing"}', 90)
            assert fired["metric"]["severity"] == "page"
            here.livekit.workers.register("greeter")
            await here.told("agent.joined", within=30)
            over = 'absent(ALERTS{alertname="DispatcherAssignmentStarved"})'
            assert await until_found(url, over, 60)
            late = await until_found(url, "livekit_dispatcher_time_to_agent_seconds_count > 0", 20)
            assert late["metric"]["agent"] == "greeter"
