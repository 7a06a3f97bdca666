// One room: how it stands, what happened as a picture and in words, where the time went; and what may be ordered.

import {OrderButton} from './confirmation.js';
import {mayOrder, orders} from './orders.js';
import {html} from './html.js';
import {Picture} from './picture.js';
import {linkTo} from './server.js';
import {Mark, nameOf, stateOf} from './states.js';
import {now, state} from './store.js';
import {timeSpent} from './story.js';
import {Troubles} from './troubles.js';
import {count, roomView, span, visible} from './words.js';

export function Room({name}) {
  const known = state.room?.name === name ? state.room : null;
  return html`
    <p class="way"><a href=${linkTo('ui')} data-view="ui">All rooms</a></p>
    <div class="title"><h1 tabindex="-1"><bdi>${visible(name)}</bdi></h1>${known?.answer && html`<${Mark} state=${stateOf(known.answer.sessions[0])} />`}</div>
    ${!known && html`<p class="loading">Asking the service…</p>`}
    ${known?.unknown && html`<${Unknown} told=${known.unknown} />`}
    ${known?.answer && html`<${Troubles} troubles=${known.answer.troubles} />`}
    ${known?.answer?.sessions.map((session, at) => html`<${Session} key=${session.sid} session=${session} newest=${at === 0} />`)}
  `;
}

function Unknown({told}) {
  return html`<${Troubles} troubles=${told.troubles || []} />
    <section class="panel">${(told.diagnosis || []).map(line => html`<p class="lead">${visible(line)}</p>`)}
    ${told.resembling?.length > 0 && html`<p>Names like it: ${told.resembling.map((one, at) => html`${at > 0 && ', '}<a href=${linkTo(roomView(one))} data-view=${roomView(one)}><bdi>${visible(one)}</bdi></a>`)}</p>`}
    <${People} people=${told.people} /></section>`;
}

function Session({session, newest}) {
  const body = html`
    <section class="panel diagnosis" aria-label="How it stands">
      ${session.diagnosis.map(line => html`<p class="lead">${visible(line)}</p>`)}
      ${!session.finished && html`<${Orders} session=${session} />`}
    </section>
    <${Picture} session=${session} now=${session.finished ? session.timeline.at(-1)?.at ?? now() : now()} />
    <${Spent} session=${session} />
    <${Words} session=${session} />
    <${People} people=${session.people} />
    <p class="hint session">Session <code>${session.sid}</code> of project ${session.project}</p>`;
  if (newest) return body;
  return html`<details class="earlier"><summary>An earlier session of the name: <code>${session.sid}</code></summary>${body}</details>`;
}

function Orders({session}) {
  const mine = session.assignments.filter(one => mayOrder(...one.attempts.map(attempt => attempt.agent)));
  if (!state.user.scopes.includes('dispatch')) return null;
  return html`<div class="orders">
    ${mine.map(one => html`<span class="group">${session.assignments.length > 1 && html`<bdi>${visible(nameOf(one))}</bdi>`}
      <${OrderButton} order=${orders.retry(session, one.assignment)} />
      <${OrderButton} order=${orders.cancel(session, one.assignment)} /></span>`)}
    <${OrderButton} order=${orders.look(session)} />
  </div>`;
}

function Spent({session}) {
  const told = session.assignments.map(one => [one, timeSpent(session, one, now())]).filter(([, parts]) => parts.length);
  if (!told.length) return null;
  return html`<section class="panel spent" aria-labelledby="spent">
    <h2 id="spent">Where the time went</h2>
    ${told.map(([one, parts]) => {
      const sum = parts.reduce((all, part) => all + part.ms, 0);
      return html`<div>
        ${told.length > 1 && html`<h3><bdi>${visible(nameOf(one))}</bdi></h3>`}
        <p class="sum">${span(sum)} until ${session.timeline.some(entry => entry.event === 'agent.joined' && entry.assignment === one.assignment) ? 'the first agent was there' : 'now, and no agent has come'}</p>
        <div class="stack" aria-hidden="true">${parts.map(part => html`<span class=${part.colour} style=${{flexGrow: part.ms}}></span>`)}</div>
        <ol>${merged(parts).map(part => html`<li><span class=${`swatch ${part.colour}`}></span><span>${visible(part.name)}</span><b>${span(part.ms)}</b></li>`)}</ol>
      </div>`;
    })}
  </section>`;
}

/** Parts of one name as one, so that a long story stays a short list. */
function merged(parts) {
  const found = new Map();
  for (const part of parts) {
    const one = found.get(part.name);
    found.set(part.name, one ? {...one, ms: one.ms + part.ms, times: one.times + 1} : {...part, times: 1});
  }
  return [...found.values()].map(part => (part.times > 1 ? {...part, name: `${part.name}, ${count(part.times, 'time')}`} : part));
}

function Words({session}) {
  return html`<section class="panel words" aria-labelledby=${`words-${session.sid}`}>
    <h2 id=${`words-${session.sid}`}>In words</h2>
    <ol>${session.narrative.map((line, at) => html`<li key=${at}><${Sentence} line=${line} entry=${session.timeline[at]} /></li>`)}</ol>
  </section>`;
}

const TONES = {'agent.joined': 'good', 'attempt.ended': 'warn', 'assignment.starved': 'bad', 'room.found': 'warn', 'agent.unrequested': 'warn'};

/** The service's line: its time, how long ago that is, and the sentence. */
function Sentence({line, entry}) {
  const [, at, ago, said] = /^(\S+ UTC)\s+(.*? ago) {2}(.*)$/s.exec(line) || [null, '', '', line];
  const tone = TONES[entry?.event] || '';
  return html`<span class="when"><time>${at}</time> <span>${ago}</span></span><span class=${tone && `said ${tone}`}>${visible(said)}</span>`;
}

function People({people}) {
  if (!people?.length) return null;
  return html`<section class="panel people" aria-label="What the rules say of everybody">
    <h2>What the rules say of everybody</h2>
    ${people.map(one => html`<h3><bdi>${visible(one.identity) || 'the room itself'}</bdi>${one.kind && html` <small>${one.kind}</small>`}</h3>
      <pre>${one.rules.map(visible).join('\n')}</pre>`)}
  </section>`;
}
