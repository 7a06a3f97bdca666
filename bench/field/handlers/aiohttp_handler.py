"""What a careful person writes by hand: aiohttp, one LiveKitAPI for all; a dispatch for who joins no stage.

python aiohttp_handler.py PORT LIVEKIT_URL KEY SECRET
"""

import sys

from aiohttp import web
from livekit.api import CreateAgentDispatchRequest, LiveKitAPI, TokenVerifier, WebhookReceiver
from livekit.protocol.models import ParticipantInfo

port, url, key, secret = sys.argv[1:]
receiver = WebhookReceiver(TokenVerifier(key, secret))
api = web.AppKey("api", LiveKitAPI)


async def hear(request: web.Request) -> web.Response:
    """Answered once the agent has been asked for."""
    event = receiver.receive((await request.read()).decode(), request.headers["Authorization"])
    joined = event.event == "participant_joined" and event.participant.kind == ParticipantInfo.STANDARD
    if joined and not event.room.name.startswith("stage-"):
        wanted = CreateAgentDispatchRequest(room=event.room.name, agent_name="greeter")
        await request.app[api].agent_dispatch.create_dispatch(wanted)
    return web.Response()


async def start(app: web.Application) -> None:
    """One client for all, made in the loop that uses it."""
    app[api] = LiveKitAPI(url, key, secret)


app = web.Application()
app.on_startup.append(start)
app.router.add_post("/webhook", hear)
web.run_app(app, host="127.0.0.1", port=int(port), access_log=None, print=None)
