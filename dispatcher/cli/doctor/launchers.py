"""How many places the launchers have that rules name."""

from collections.abc import AsyncIterator

from dispatcher.cli.doctor.findings import Finding, Grade
from dispatcher.client.launchers import Launchers, launcher_http
from dispatcher.config import Config


async def of_launchers(config: Config) -> AsyncIterator[Finding]:
    """What they answer now, of each that rules name; nothing where none does."""
    named = {target.launcher for rule in config.rules_in_force for target in rule.policy.targets if target.launcher}
    urls = {one.name: one.urls for one in config.launchers}
    async with launcher_http() as http:
        launchers = Launchers(http, urls)
        for name in sorted(named):
            free = await launchers.free(name)
            for url in [url for url, places in free.items() if places < 0]:
                remedy = "`dispatcher launcher` answers there, on port 8089 unless told otherwise"
                yield Finding(Grade.WARNING, "launchers", f"{name}: {url} does not answer", remedy)
            places = sum(places for places in free.values() if places > 0)
            says = f"{name}: {places} free place{'' if places == 1 else 's'}"
            if places:
                yield Finding(Grade.OK, "launchers", says)
            else:
                yield Finding(Grade.WARNING, "launchers", says, "raise `limit`, or add a launcher")
