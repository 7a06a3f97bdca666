// Hears what happens, over `GET /v1/events`. It is read with fetch, since an EventSource cannot send a token.

import {address, headers} from './server.js';

const SILENCE = 40_000; // ms without a byte: the service sends a comment every 15 s
const SOONEST = 1_000;
const LATEST = 30_000;
const ABSENT = 60_000; // before it is asked for again where it is not there

/**
 * Hear events until `signal` says so: `heard(event)` for each, `live(true)` and `live(false)` as the connection
 * comes and goes. An event is {event, data}; after a connection was lost comes one of the name `gap`.
 */
export async function hearEvents({heard, live, signal}) {
  let last = '';
  let wait = SOONEST;
  while (!signal.aborted) {
    try {
      await hearOnce({last, signal, begun: () => { wait = SOONEST; live(true); heard({event: 'gap', data: null}); }, heard: one => {
        last = one.id || last;
        heard(one);
      }});
    } catch (error) {
      if (error instanceof Absent) wait = ABSENT;
    }
    live(false);
    await sleep(wait * (0.75 + Math.random() / 2), signal);
    wait = Math.min(LATEST, wait * 2);
  }
}

class Absent extends Error {}

async function hearOnce({last, signal, begun, heard}) {
  const end = new AbortController();
  const stop = () => end.abort();
  signal.addEventListener('abort', stop);
  let watch = setTimeout(stop, SILENCE);
  try {
    const answer = await fetch(address('v1/events'), {
      headers: {...headers(), Accept: 'text/event-stream', ...(last ? {'Last-Event-ID': last} : {})},
      cache: 'no-store',
      signal: end.signal,
    });
    const type = answer.headers.get('Content-Type') || '';
    if (!answer.ok || !type.startsWith('text/event-stream')) throw new Absent(String(answer.status));
    begun();
    const parts = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const read = reader(heard);
    for (;;) {
      const {done, value} = await parts.read();
      if (done) return;
      clearTimeout(watch);
      watch = setTimeout(stop, SILENCE);
      read(value);
    }
  } finally {
    clearTimeout(watch);
    signal.removeEventListener('abort', stop);
    end.abort();
  }
}

/** Takes pieces of an event stream, and tells each event once it is whole. */
export function reader(heard) {
  let rest = '';
  let event = {};
  return piece => {
    const lines = (rest + piece).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (event.data !== undefined) heard({id: event.id, event: event.event || 'message', data: parsed(event.data)});
        event = {};
        continue;
      }
      const at = line.indexOf(':');
      if (at === 0) continue;
      const name = at < 0 ? line : line.slice(0, at);
      const value = at < 0 ? '' : line.slice(at + 1).replace(/^ /, '');
      event[name] = name === 'data' && event.data !== undefined ? `${event.data}\n${value}` : value;
    }
  };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function sleep(ms, signal) {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, {once: true});
  });
}
