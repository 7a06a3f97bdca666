// A launcher's page: what it has started, or one launch with its log.

import {html} from './html.js';
import {Launch} from './launch.js';
import {Launches} from './launches.js';
import {Poll} from './poll.js';
import {ask, askText, Refused} from './server.js';
import {show} from './shell.js';
import {state} from './store.js';
import {launchIn} from './views.js';

const EVERY = 2_000; // ms between two askings
const ENDED = 50; // launches that have ended are shown, the last ones
const LINES = 200; // of a log

const poll = new Poll(
  tell => {
    const id = launchIn(state.path);
    return id ? askLaunch(id, tell) : askLaunches(tell);
  },
  () => EVERY,
);

async function askLaunches(tell) {
  tell({launches: await ask('v1/launches', {values: {ended: 'true', limit: ENDED}})});
}

async function askLaunch(id, tell) {
  try {
    const [answer, log] = await Promise.all([ask(`v1/launches/${id}`), askText(`v1/launches/${id}/log`, {values: {lines: LINES}})]);
    if (launchIn(state.path) === id) tell({launch: {id, answer, log}});
  } catch (error) {
    if (!(error instanceof Refused && error.status === 404)) throw error;
    if (launchIn(state.path) === id) tell({launch: {id, unknown: true}});
  }
}

function View() {
  const id = launchIn(state.path);
  return id ? html`<${Launch} id=${id} />` : html`<${Launches} />`;
}

show({
  title: 'Launcher',
  brand: 'launcher',
  begin: () => poll.begin(),
  end: () => poll.end(),
  soon: ms => poll.soon(ms),
  subject: () => launchIn(state.path).slice(0, 8),
  View,
  connection: () => ['Every 2 s', 'The launcher is asked every 2 s'],
});
