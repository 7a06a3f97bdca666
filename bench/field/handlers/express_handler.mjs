// What tutorials show for Node: express and livekit-server-sdk; a dispatch for each person that joins no stage.
//
//     node express_handler.mjs PORT LIVEKIT_URL KEY SECRET

import express from "express";
import { AgentDispatchClient, WebhookReceiver } from "livekit-server-sdk";

const [port, url, key, secret] = process.argv.slice(2);
const receiver = new WebhookReceiver(key, secret);
const dispatches = new AgentDispatchClient(url, key, secret);
const app = express();
app.use(express.raw({ type: "application/webhook+json" }));

app.post("/webhook", async (request, response) => {
  const event = await receiver.receive(request.body.toString(), request.get("Authorization"));
  const joined = event.event === "participant_joined" && event.participant.kind === 0;
  if (joined && !event.room.name.startsWith("stage-")) {
    await dispatches.createDispatch(event.room.name, "greeter");
  }
  response.sendStatus(200);
});

app.listen(Number(port), "127.0.0.1");
