// What each agent does: its breaker, the workers that are seen, the last hour, how soon it comes.

import {OrderButton} from './confirmation.js';
import {mayOrder, orders} from './orders.js';
import {html, kept} from './html.js';
import {HourPlot, SpeedPlot} from './plot.js';
import {clock, count, fitsPath, span, visible} from './words.js';

const CIRCUITS = {
  closed: ['', ''],
  half_open: ['is asked again', 'warn'],
  open: ['breaker open', 'bad'],
};
const SHOWN = 40;

export const Agents = kept(({agents, user}) => {
  const several = user.projects.length > 1;
  const rows = [...agents].sort((a, b) => weight(b) - weight(a) || (a.agent < b.agent ? -1 : 1));
  return html`<section class="panel agents" aria-labelledby="agents">
    <h2 id="agents">Agents</h2>
    ${!rows.length && html`<p class="hint">No rule names an agent, and no worker is seen.</p>`}
    <ul>${rows.slice(0, SHOWN).map(row => html`<${Agent} key=${`${row.project} ${row.agent}`} row=${row} several=${several} />`)}</ul>
    ${rows.length > SHOWN && html`<p class="more">${rows.length - SHOWN} more: <code>dispatcher agents</code> lists all.</p>`}
  </section>`;
});

/** What needs attention comes first. */
function weight(row) {
  if (row.targets.some(one => one.circuit === 'open' || one.stopped?.length || one.probe?.failures > 1)) return 4;
  if (row.last_hour?.failed) return 3;
  if (row.paused) return 2;
  return row.assignments.starved ? 1 : 0;
}

function Agent({row, several}) {
  const {paused, last_hour: hour} = row;
  return html`<li class="agent">
    <div class="name"><h3><bdi>${visible(row.agent) || 'without a name'}</bdi>${several && row.project && html` <small>${row.project}</small>`}</h3>
      <${Orders} row=${row} /></div>
    <p class="standing">
      ${row.targets.map(one => html`<${Circuit} one=${one} />`)}
      ${stops(row).map(stop => html`<span class="mark bad" title=${visible(stop.sentence)}>${stop.deployment && `${visible(stop.deployment)}: `}taken out</span>`)}
      ${row.targets.map(one => one.probe && html`<${Probe} one=${one} />`)}
      ${paused && html`<span class="mark still" title=${paused.sentence}>paused</span>`}
      ${row.workers !== null && html`<span class=${row.workers === 0 ? 'bad-text' : ''}>${row.workers ? count(row.workers, 'worker') : 'no worker answers'}</span>`}
      ${held(row)}
    </p>
    ${hour && html`<div class="hour-line">
      ${hour.minutes && html`<${HourPlot} minutes=${hour.minutes} label=${`The last hour, minute by minute: ${hour.served} served, ${hour.failed} failed`} />`}
      <p><b class="good-text">${hour.served}</b> served, <b class=${hour.failed ? 'bad-text' : ''}>${hour.failed}</b> failed in the last hour</p>
    </div>`}
    ${hour?.p50_ms != null && html`<div class="hour-line">
      <${SpeedPlot} p50=${hour.p50_ms} p95=${hour.p95_ms ?? hour.p50_ms} label="How soon its agents come, from 0.1 s to 30 s" />
      <p>there after <b>${span(hour.p50_ms)}</b>, 95 of 100 after <b>${span(hour.p95_ms ?? hour.p50_ms)}</b></p>
    </div>`}
    ${paused && html`<p class="hint">${visible(paused.sentence)}</p>`}
    ${stops(row).map(stop => html`<p class="hint">${visible(stop.sentence)}</p>`)}
    ${row.targets.map(one => one.open_since && html`<p class="hint">no agent of ${one.deployment ? visible(one.deployment) : 'it'} is seen in any room since ${clock(one.open_since)}</p>`)}
    ${row.targets.map(one => one.probe?.failures > 0 && html`<p class="hint">${one.deployment && `${visible(one.deployment)}: `}${visible(one.probe.sentence)}</p>`)}
  </li>`;
}

function Orders({row}) {
  const {paused} = row;
  if (!mayOrder(row.agent) || !fitsPath(row.agent)) return null;
  if (!paused) {
    return html`${stops(row).length > 0 && html`<${OrderButton} order=${orders.resume(row)} quiet />`}<${OrderButton} order=${orders.pause(row)} quiet />`;
  }
  return paused.by || stops(row).length ? html`<${OrderButton} order=${orders.resume(row)} quiet />` : null; // else the file pauses it
}

/** Where a split gives one of its deployments to nobody. */
function stops(row) {
  return row.targets.flatMap(one => (one.stopped || []).map(stop => ({...stop, deployment: one.deployment})));
}

/** How the last probe went: one in vain may be chance, two are told. */
function Probe({one}) {
  const {failures, sentence, took_ms: took} = one.probe;
  const which = one.deployment ? `${visible(one.deployment)}: ` : '';
  const tone = failures > 1 ? 'bad' : failures ? 'warn' : 'faint';
  const said = failures ? `${failures > 1 ? `${failures} probes` : 'a probe'} in vain` : `probed${took === null ? '' : `: ${span(took)}`}`;
  return html`<span class=${`mark ${tone}`} title=${visible(sentence)}>${which}${said}</span>`;
}

function Circuit({one}) {
  const [name, tone] = CIRCUITS[one.circuit] || [one.circuit, 'warn'];
  const which = one.deployment ? `${visible(one.deployment)}: ` : '';
  if (!name) return one.deployment ? html`<span class="mark faint">${which}well</span>` : null;
  return html`<span class=${`mark ${tone}`} title=${`${count(one.silent, 'attempt')} without a sign of life`}>${which}${name}</span>`;
}

function held(row) {
  const {served = 0, starved = 0} = row.assignments;
  const parts = [served && `in ${count(served, 'room')}`, starved && `starved in ${count(starved, 'room')}`].filter(Boolean);
  return parts.length ? html`<span>${parts.join(', ')}</span>` : null;
}
