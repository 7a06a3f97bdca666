"""What the API shows: the state of all rooms, what happened in one, and workers."""

from http import HTTPStatus

from aiohttp import web

from dispatcher.client.rooms import ListedRooms
from dispatcher.http import routes, shown
from dispatcher.http.asked import RoomAsked, RoomsAsked, projects_of
from dispatcher.http.guard import Guard
from dispatcher.http.inquiry import Inquiry
from dispatcher.http.listing import Pages
from dispatcher.http.problems import ApiError
from dispatcher.http.resources import ToldRoom, ToldWorkers
from dispatcher.http.route import ApiCall, Nothing


class RoomsApi:
    """`/v1/rooms`, `/v1/rooms/{room}` and `/v1/workers`, of the projects that are configured.

    Each answer says whether it is a dry run's: then nobody has been asked for, and its ledger is not the others'.
    """

    def __init__(self, guard: Guard, inquiry: Inquiry) -> None:
        self.guard = guard
        self.inquiry = inquiry
        self.pages = Pages(inquiry.ledger, inquiry.mask)
        self.dry_run = inquiry.health.dry_run

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an application."""
        return [
            routes.ROOMS.served(self.guard, self._rooms),
            routes.ROOM.served(self.guard, self._room),
            routes.ROOM_BY_NAME.served(self.guard, self._room),
            routes.WORKERS.served(self.guard, self._workers),
        ]

    async def _rooms(self, call: ApiCall[RoomsAsked, None]) -> ListedRooms:
        """Answer with a page of the live rooms."""
        projects = projects_of(call.asked.project, call.caller, self.guard.holder.snapshot.projects)
        rooms, following = await self.pages.page(call.asked, projects)
        return ListedRooms(rooms, following, self.dry_run)

    async def _room(self, call: ApiCall[RoomAsked, None]) -> ToldRoom:
        """Answer with every known session of the room name, newest first; of an unknown one, with what can be said."""
        room, projects = call.asked.room, call.caller.sees(self.guard.holder.snapshot.projects)
        known = await self.inquiry.room(room, projects, rules=call.asked.rules, present=call.asked.present)
        if known is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "unknown_room", more=await self.inquiry.unknown(room, projects))
        return known

    async def _workers(self, _call: ApiCall[Nothing, None]) -> ToldWorkers:
        """What the configured workers said when they were asked last, and of which agents any is seen."""
        seen = self.inquiry.workers()
        return ToldWorkers(
            asked_at=seen.at or None,
            agents=tuple(shown.sighting(one) for _, one in sorted(seen.sightings.items())),
            workers=tuple(shown.worker(address, answer) for address, answer in sorted(seen.answers.items())),
        )
