// All launches: those that run, and those that have ended lately, each with where it is and how it stands.

import {OrderButton} from './confirmation.js';
import {html} from './html.js';
import {linkTo} from './server.js';
import {state} from './store.js';
import {age, clock, count, span, visible} from './words.js';

/** By state: [what stands on the mark, its colour]. */
const STATES = {
  waiting: ['waits for the one before', 'warn'],
  starting: ['starting', 'busy'],
  joined: ['in its room', 'good'],
  ending: ['ending', 'still'],
};

/** By why it has ended: [what that means, its colour]. */
const ENDS = {
  not_started: ['its command could not be run', 'bad'],
  no_show: ['was not in the room in time', 'bad'],
  exited: ['ended by itself', 'faint'],
  crashed: ['ended by itself, with an error', 'bad'],
  room_finished: ['its room was over', 'faint'],
  left: ['was not in its room any more', 'warn'],
  owner_left: ['whom it spoke for was gone', 'faint'],
  max_life: ['had lived for max_life', 'faint'],
  memory: ['took more than memory_max', 'bad'],
  stopped: ['somebody stopped it', 'faint'],
  replaced: ['another token came for its room', 'faint'],
  shutdown: ['the launcher was stopped', 'faint'],
  lost: ['ended while no launcher was there', 'bad'],
};

export function Launches() {
  if (!state.launches) return html`<h1 tabindex="-1">Launches</h1><p class="loading">Asking the launcher…</p>`;
  const {launches, free} = state.launches;
  const run = launches.filter(one => one.state !== 'ended');
  const ended = launches.filter(one => one.state === 'ended').reverse();
  const places = Object.values(free).reduce((sum, one) => sum + one, 0);
  return html`
    <section class="verdict" aria-labelledby="verdict">
      <h1 id="verdict" tabindex="-1"><span class=${`dot ${places ? 'good' : 'bad'}`} aria-hidden="true"></span>${count(run.length, 'launch', 'launches')} ${run.length === 1 ? 'runs' : 'run'}, ${places ? `${count(places, 'place')} ${places === 1 ? 'is' : 'are'} free` : 'and no place is free: who asks for more is answered 503'}</h1>
      <dl class="figures">${Object.entries(free).map(([name, many]) => html`<div class=${many ? '' : 'bad'} key=${name}><dt>free: <bdi>${visible(name)}</bdi></dt><dd>${many}</dd></div>`)}</dl>
    </section>
    <section class="panel running" aria-labelledby="running">
      <h2 id="running">Run now</h2>
      ${run.length ? html`<${Table} heads=${['Launch', 'Room', 'Identity', 'State', 'Age', 'Process', 'Memory', 'Joined after', '']}>
        ${run.map(one => html`<${Running} key=${one.id} one=${one} />`)}</${Table}>` : html`<p class="hint">Nothing runs.</p>`}
    </section>
    ${ended.length > 0 && html`<section class="panel ended" aria-labelledby="ended">
      <h2 id="ended">Ended lately</h2>
      <${Table} heads=${['Launch', 'Room', 'Identity', 'Why', 'Lived for', 'Ended', 'Joined after']}>
        ${ended.map(one => html`<${Ended} key=${one.id} one=${one} />`)}</${Table}>
    </section>`}
  `;
}

function Table({heads, children}) {
  return html`<table class="stacked launches">
    <thead><tr>${heads.map(head => html`<th scope="col">${head || html`<span class="unseen">Orders</span>`}</th>`)}</tr></thead>
    <tbody>${children}</tbody>
  </table>`;
}

function Running({one}) {
  return html`<tr>
    <${Where} one=${one} />
    <td data-name="State"><${LaunchMark} one=${one} /></td>
    <td data-name="Age">${age(one.age_ms)}</td>
    <td data-name="Process">${one.pid || ''}</td>
    <td data-name="Memory">${memory(one)}</td>
    <td data-name="Joined after">${joined(one)}</td>
    <td class="orders"><${Stop} one=${one} /></td>
  </tr>`;
}

function Ended({one}) {
  return html`<tr>
    <${Where} one=${one} />
    <td data-name="Why"><${LaunchMark} one=${one} /></td>
    <td data-name="Lived for">${age(one.age_ms)}</td>
    <td data-name="Ended">${clock(one.ended_at)}</td>
    <td data-name="Joined after">${joined(one)}</td>
  </tr>`;
}

function Where({one}) {
  const view = `ui/launches/${one.id}`;
  return html`
    <th scope="row"><a href=${linkTo(view)} data-view=${view}>${one.id.slice(0, 8)}</a> <small><bdi>${visible(one.launcher)}</bdi></small></th>
    <td data-name="Room"><bdi>${visible(one.room)}</bdi>${state.user.projects.length > 1 && html` <small>${one.project}</small>`}</td>
    <td data-name="Identity"><bdi>${visible(one.identity)}</bdi></td>`;
}

/** How it stands; where it has ended, why that was. */
export function LaunchMark({one}) {
  const [name, colour] = one.state === 'ended' ? ENDS[one.why] || [one.why, 'faint'] : STATES[one.state] || [one.state, 'faint'];
  return html`<span class=${`mark ${colour}`} title=${one.why || one.state}>${name}${exit(one)}</span>`;
}

function exit({why, exit_code: code, exit_signal: signal}) {
  if (why !== 'crashed') return '';
  return signal ? `: ${signal}` : `: exit code ${code}`;
}

/** Ends the launch, for a token that may. */
export function Stop({one}) {
  if (!state.user.scopes.includes('dispatch') || one.state === 'ended' || one.state === 'ending') return null;
  return html`<${OrderButton} order=${{
    title: 'Stop', does: 'Stop it', subject: `${one.identity} in ${one.room}`, grave: true,
    method: 'POST', path: `v1/launches/${one.id}/stop`, patience: 330_000, // the longest stop_within, and what the kernel needs
    means: 'Its process and all that it has started are asked to end; what is left stop_within later is killed. It is told once nothing of it runs.',
    done: 'It has ended.',
  }} />`;
}

export function memory(one) {
  return one.rss_bytes ? `${Math.round(one.rss_bytes / 2 ** 20)} MiB` : '';
}

export function joined(one) {
  return one.joined_after_ms === null ? '' : span(one.joined_after_ms);
}
