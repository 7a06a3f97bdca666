"""The configuration in force, shown."""

from http import HTTPStatus

from aiohttp import web

from dispatcher.http import routes
from dispatcher.http.guard import Guard
from dispatcher.http.problems import ApiError
from dispatcher.http.resources import RefusedReload, ToldConfig
from dispatcher.http.route import ApiCall, Nothing


class ConfigApi:
    """`/v1/config`. It shows all projects, so a token for some of them does not see it."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.config = guard.health.config

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an application."""
        return [routes.CONFIG.served(self.guard, self._config)]

    async def _config(self, call: ApiCall[Nothing, None]) -> ToldConfig:
        """What is in force."""
        if call.caller.token.projects is not None:
            says = f"the token {call.caller.name} is for some projects, and the configuration has all"
            raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", says)
        told = self.config
        return ToldConfig(
            file=told.file,
            loaded_at=told.loaded_at,
            yaml=told.text,
            warnings=told.warnings,
            deferred=told.deferred,
            refused=RefusedReload(told.refused_at, told.problems) if told.refused_at else None,
        )
