// The whole: who waits now, what each agent does, what comes in, and all live rooms.

import {Agents} from './agents.js';
import {Component, html} from './html.js';
import {Incoming, troublesOf} from './incoming.js';
import {Rooms} from './rooms.js';
import {WAITING_MAX} from './refresh.js';
import {WAITS, stateOf} from './states.js';
import {now, state} from './store.js';
import {Troubles} from './troubles.js';
import {Waiting} from './waiting.js';
import {age, count} from './words.js';

export function Overview() {
  if (!state.waiting) return html`<h1 tabindex="-1">Rooms</h1><p class="loading">Asking the service…</p>`;
  return html`
    <${Verdict} />
    <${Troubles} troubles=${troublesOf(state.stats)} />
    <${Waiting} rooms=${state.waiting} second=${state.tick} user=${state.user} total=${waitingTotal()} />
    <div class="columns">
      <${Agents} agents=${state.agents} user=${state.user} />
      <${Incoming} stats=${state.stats} second=${state.tick} />
    </div>
    <${Rooms} rooms=${state.rooms} filter=${state.filter} cursors=${state.cursors} projects=${state.user.projects} />
  `;
}

/** The answer to "is all well?" in one sentence and four figures. */
class Verdict extends Component {
  render() {
    const waiting = waitingTotal();
    const starved = figure('starved');
    const rooms = state.waiting.filter(room => WAITS.has(stateOf(room)));
    const longest = Math.min(...rooms.map(room => room.waiting_since).filter(Boolean));
    const tone = starved ? 'bad' : waiting ? 'warn' : 'good';
    const said = waiting
      ? `${waiting === WAITING_MAX ? `${waiting} or more rooms` : count(waiting, 'room')} ${waiting === 1 ? 'waits' : 'wait'} for an agent${Number.isFinite(longest) ? `, the longest for ${age(now() - longest)}` : ''}`
      : 'Nobody waits for an agent';
    return html`<section class="verdict" aria-labelledby="verdict">
      <h1 id="verdict" tabindex="-1"><span class=${`dot ${tone}`} aria-hidden="true"></span>${said}</h1>
      <dl class="figures">
        <${Figure} name="starved" value=${starved} tone=${starved ? 'bad' : ''} />
        <${Figure} name="waiting or asked" value=${figure('waiting') + figure('requested')} tone=${figure('waiting') + figure('requested') ? 'warn' : ''} />
        <${Figure} name="paused" value=${figure('paused')} />
        <${Figure} name="served" value=${figure('served')} tone="good" />
      </dl>
    </section>`;
  }
}

function Figure({name, value, tone = ''}) {
  return html`<div class=${tone}><dt>${name}</dt><dd>${value}</dd></div>`;
}

/** How many assignments are in a state, over all projects that the user may see. */
function figure(name) {
  return state.agents.reduce((sum, row) => sum + (row.assignments[name] || 0), 0);
}

function waitingTotal() {
  return state.waiting.filter(room => WAITS.has(stateOf(room))).length;
}
