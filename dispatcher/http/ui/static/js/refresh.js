// Keeps what is shown true: asks again when an event tells of something new, and every few seconds where none can come.

import {hearEvents} from './events.js';
import {Poll} from './poll.js';
import {ask, Refused} from './server.js';
import {change, state} from './store.js';
import {roomIn} from './views.js';

const POLL = 3_000; // ms between two askings without events
const CHECK = 5_000; // with events: what no event tells of, such as workers, or a LiveKit that does not answer
const GATHER = 400; // events that come together are one asking
export const WAITING_MAX = 50; // rooms that are asked for in which somebody waits
export const PAGE = 100; // rooms of the list that are shown at once

const poll = new Poll(
  tell => {
    const room = roomIn(state.path);
    return room ? askRoom(room, tell) : askWhole(tell);
  },
  () => (state.live === 'live' && !state.failing ? CHECK : POLL),
);

/** Begin: the user may ask. */
export function begin() {
  const signal = poll.begin();
  addEventListener('view', () => change({room: null}), {signal});
  hearEvents({
    signal,
    live: yes => change({live: yes ? 'live' : 'polling'}),
    heard: ({event, data}) => {
      const room = roomIn(state.path);
      if (!room || event !== 'room' || !data || data.room === room) soon(GATHER);
    },
  });
}

export function end() {
  poll.end();
}

/** Ask anew in so many ms, or sooner where that was said before. */
export function soon(ms) {
  poll.soon(ms);
}

async function askWhole(tell) {
  const {filter, cursors} = state;
  const values = {...filter, limit: PAGE, cursor: cursors.at(-1)};
  const [agents, stats, waiting, rooms] = await Promise.all([
    ask('v1/agents'),
    askStats(),
    ask('v1/rooms', {values: {sort: 'wait', limit: WAITING_MAX}}),
    ask('v1/rooms', {values}),
  ]);
  const news = {agents: agents.agents, stats, waiting: waiting.rooms, skew: agents.now - Date.now()};
  if (filter === state.filter && cursors === state.cursors) news.rooms = rooms;
  tell(news);
}

async function askRoom(name, tell) {
  try {
    const answer = await ask('v1/room', {values: {room: name, present: 'true'}});
    if (roomIn(state.path) === name) tell({room: {name, answer}});
  } catch (error) {
    if (!(error instanceof Refused && error.error === 'unknown_room')) throw error;
    if (roomIn(state.path) === name) tell({room: {name, unknown: error.body}});
  }
  if (!state.skew) {
    const {now} = await ask('v1/agents');
    tell({skew: now - Date.now()});
  }
}

/** How the service stands; null: an older release answers, as while replicas are replaced one by one. */
async function askStats() {
  try {
    return await ask('v1/stats');
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return null;
    throw error;
  }
}
