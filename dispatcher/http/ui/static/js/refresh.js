// Keeps what is shown true: asks again when an event tells of something new, and every few seconds where none can come.

import {hearEvents} from './events.js';
import {ask, Refused, token} from './server.js';
import {change, state} from './store.js';
import {roomIn} from './views.js';

const POLL = 3_000; // ms between two askings without events
const CHECK = 15_000; // with events: what no event tells of, such as workers
const GATHER = 400; // events that come together are one asking
const APART = 1_000; // between two askings at least: a thousand events a second are one, too
export const WAITING_MAX = 50; // rooms that are asked for in which somebody waits
export const PAGE = 100; // rooms of the list that are shown at once

let stop = new AbortController();
let due = 0;
let timer = 0;
let asking = false;
let again = false;
let askedAt = 0;

/** Begin: the user may ask. */
export function begin() {
  stop.abort();
  stop = new AbortController();
  const {signal} = stop;
  hearEvents({
    signal,
    live: yes => change({live: yes ? 'live' : 'polling'}),
    heard: ({event, data}) => {
      const room = roomIn(state.path);
      if (!room || event !== 'room' || !data || data.room === room) soon(GATHER);
    },
  });
  addEventListener('view', () => soon(0), {signal});
  document.addEventListener('visibilitychange', () => document.hidden || soon(0), {signal});
  soon(0);
}

export function end() {
  stop.abort();
  clearTimeout(timer);
}

/** Ask anew in so many ms, or sooner where that was said before. */
export function soon(ms) {
  if (asking) {
    again = true;
    return;
  }
  const at = Math.max(Date.now() + ms, askedAt + (ms ? APART : 0));
  if (due && due <= at) return;
  clearTimeout(timer);
  due = at;
  timer = setTimeout(askAll, at - Date.now());
}

async function askAll() {
  due = 0;
  if (document.hidden && askedAt) return; // it is asked once somebody looks
  asking = true;
  askedAt = Date.now();
  const {signal} = stop;
  try {
    const room = roomIn(state.path);
    await (room ? askRoom(room) : askWhole());
    if (signal.aborted) return;
    change({failing: null, freshAt: Date.now()});
  } catch (error) {
    if (!signal.aborted) failed(error);
  } finally {
    asking = false;
    const wait = again ? APART : state.live === 'live' && !state.failing ? CHECK : POLL;
    again = false;
    if (!stop.signal.aborted) soon(wait); // it may be another user's by now
  }
}

async function askWhole() {
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
  change(news);
}

async function askRoom(name) {
  try {
    const answer = await ask('v1/room', {values: {room: name, present: 'true'}});
    if (roomIn(state.path) === name) change({room: {name, answer}});
  } catch (error) {
    if (!(error instanceof Refused && error.error === 'unknown_room')) throw error;
    if (roomIn(state.path) === name) change({room: {name, unknown: error.body}});
  }
  if (!state.skew) {
    const {now} = await ask('v1/agents');
    change({skew: now - Date.now()});
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

function failed(error) {
  if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
    end();
    const bearer = token.get();
    token.forget();
    change({door: 'sign-in', user: null, refused: bearer ? 'The service does not take this token any more.' : ''});
    return;
  }
  const answers = error instanceof Refused;
  const why = answers ? error.body.troubles?.[0]?.sentence || error.message : error.message;
  change({failing: {since: state.failing?.since || Date.now(), why, answers}});
}
