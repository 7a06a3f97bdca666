// The agent of ../agent.py in Node: without a model, it says by chat which rule asked for it, and leaves at "bye".
//
//     export LIVEKIT_URL=… LIVEKIT_API_KEY=… LIVEKIT_API_SECRET=…
//     npm ci && node agent.mjs start

import { fileURLToPath } from 'node:url';
import { ServerOptions, cli, defineAgent } from '@livekit/agents';
import { ParticipantKind } from '@livekit/rtc-node';

const NAME = 'greeter'; // rules ask for it by this name: without a name LiveKit sends it into every room by itself
const CHAT = 'lk.chat'; // LiveKit's own topic: its sample front ends show it

export default defineAgent({
  // Greets whoever is there, and stays until somebody says bye.
  entry: async (ctx) => {
    const bye = new Promise((said) => {
      ctx.room.registerTextStreamHandler(CHAT, async (reader, { identity }) => {
        // Another agent says the word as it greets; its words may come before the news of it.
        const speaker = ctx.room.remoteParticipants.get(identity);
        if (!speaker || speaker.kind === ParticipantKind.AGENT) return;
        if ((await reader.readAll()).toLowerCase().includes('bye')) said();
      });
    });
    await ctx.connect();
    const person = await ctx.waitForParticipant();
    const me = ctx.room.localParticipant;
    const told = ctx.job.metadata ? ` I was told: ${ctx.job.metadata}` : ''; // what the rule's `metadata` has come to
    const hello = `Hello ${person.identity}. I am ${ctx.job.agentName}, ${askedBy(ctx.job)}. Say bye, and I go.${told}`;
    await me.sendText(hello, { topic: CHAT });
    await bye;
    await me.sendText('Goodbye.', { topic: CHAT });
    await me.setAttributes({ 'dispatcher.done': 'somebody said bye' }); // else the dispatcher replaces it: docs/agents.md
    ctx.shutdown();
  },
});

// Which rule asked for this agent, and as which attempt: as the dispatcher has written it into the dispatch.
function askedBy(job) {
  const tag = job.attributes['dispatcher.assignment'] ?? ''; // instance:room SID:rule#attempt:signature
  const [, rule, attempt] = tag.match(/^[^:]*:[^:]*:(.*)#(\d+):[^:]*$/) ?? [];
  return rule ? `sent by rule ${rule}, attempt ${attempt}` : 'and no dispatcher sent me';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  cli.runApp(
    new ServerOptions({
      agent: fileURLToPath(import.meta.url),
      agentName: NAME,
      port: Number(process.env.AGENT_PORT ?? 8081),
      numIdleProcesses: 1,
      loadThreshold: 1, // on a laptop, where all runs beside it; leave it out in production
    }),
  );
}
