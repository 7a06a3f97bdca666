"""Who asks, as the guard sees them: what a page needs to show only what its user may do."""

from collections.abc import Callable, Collection
from typing import Final

from aiohttp import web

from dispatcher.config import Scope
from dispatcher.http import routes
from dispatcher.http.guard import Guard
from dispatcher.http.resources import AskingUser
from dispatcher.http.route import ApiCall, Nothing

SCOPES: Final[tuple[Scope, ...]] = ("read", "dispatch", "admin")


class WhoAmI:
    """`/v1/whoami`: every token may ask it, whatever its scopes. `projects` are all that are configured."""

    def __init__(self, guard: Guard, projects: Callable[[], Collection[str]]) -> None:
        self.guard = guard
        self.projects = projects

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an application."""
        return [routes.WHO_AM_I.served(self.guard, self._whoami)]

    async def _whoami(self, call: ApiCall[Nothing, None]) -> AskingUser:
        """The token's name and what it may do."""
        token = call.caller.token
        return AskingUser(
            name=token.name,
            scopes=tuple(scope for scope in SCOPES if not token.scopes.isdisjoint({scope, "admin"})),
            projects=tuple(call.caller.sees(self.projects())),
            agents=None if token.agents is None else tuple(sorted(token.agents)),
            dry_run=self.guard.health.dry_run,
        )
