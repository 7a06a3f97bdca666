"""What tutorials show: FastAPI, and a LiveKitAPI for each event.

python fastapi_handler.py PORT LIVEKIT_URL KEY SECRET
"""

import sys
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Header, Request
from livekit.api import CreateAgentDispatchRequest, LiveKitAPI, TokenVerifier, WebhookReceiver
from livekit.protocol.models import ParticipantInfo

port, url, key, secret = sys.argv[1:]
receiver = WebhookReceiver(TokenVerifier(key, secret))
app = FastAPI()


@app.post("/webhook")
async def hear(request: Request, authorization: Annotated[str, Header()]) -> dict[str, str]:
    """Answered once the agent has been asked for."""
    event = receiver.receive((await request.body()).decode(), authorization)
    joined = event.event == "participant_joined" and event.participant.kind == ParticipantInfo.STANDARD
    if joined and not event.room.name.startswith("stage-"):
        async with LiveKitAPI(url, key, secret) as api:
            wanted = CreateAgentDispatchRequest(room=event.room.name, agent_name="greeter")
            await api.agent_dispatch.create_dispatch(wanted)
    return {"status": "ok"}


uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False)
