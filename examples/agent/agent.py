"""An agent without a model, to try a dispatcher with: it says by chat which rule asked for it, and leaves at "bye".

    export LIVEKIT_URL=… LIVEKIT_API_KEY=… LIVEKIT_API_SECRET=…
    python examples/agent/agent.py start

It needs `pip install livekit-agents`. `make try` runs it with everything around it.
"""

import asyncio
import os

from livekit import rtc
from livekit.agents import AgentServer, JobContext, cli

NAME = "greeter"  # rules ask for it by this name: without a name LiveKit sends it into every room by itself
CHAT = "lk.chat"  # LiveKit's own topic: its sample front ends show it

server = AgentServer(
    port=int(os.environ.get("AGENT_PORT", "8081")),
    num_idle_processes=1,
    load_threshold=1.0,  # on a laptop, where all runs beside it; leave it out in production
)


@server.rtc_session(agent_name=NAME)
async def greet(ctx: JobContext) -> None:
    """Greets whoever is there, and stays until somebody says bye."""
    bye = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    async def read(reader: rtc.TextStreamReader) -> None:
        if "bye" in (await reader.read_all()).lower():
            bye.set()

    def heard(reader: rtc.TextStreamReader, identity: str) -> None:
        speaker = ctx.room.remote_participants.get(identity)
        if speaker is None or speaker.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT:
            return  # another agent, which says the word as it greets; its words may come before the news of it
        task = asyncio.create_task(read(reader))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    ctx.room.register_text_stream_handler(CHAT, heard)
    await ctx.connect()
    person = await ctx.wait_for_participant()
    me = ctx.room.local_participant
    told = f" I was told: {ctx.job.metadata}" if ctx.job.metadata else ""  # what the rule's `metadata` has come to
    hello = f"Hello {person.identity}. I am {ctx.job.agent_name}, {asked_by(ctx)}. Say bye, and I go.{told}"
    await me.send_text(hello, topic=CHAT)
    await bye.wait()
    await me.send_text("Goodbye.", topic=CHAT)
    await me.set_attributes({"dispatcher.done": "somebody said bye"})  # else the dispatcher replaces it: docs/agents.md
    ctx.shutdown()


def asked_by(ctx: JobContext) -> str:
    """Which rule asked for this agent, and as which attempt: as the dispatcher has written it into the dispatch."""
    tag = ctx.job.attributes.get("dispatcher.assignment", "")  # instance:room SID:rule#attempt:signature
    rule, _, attempt = tag.rpartition(":")[0].partition(":")[2].partition(":")[2].rpartition("#")
    return f"sent by rule {rule}, attempt {attempt}" if rule else "and no dispatcher sent me"


if __name__ == "__main__":
    cli.run_app(server)
