// One launch: how it stands, and the last lines that its process wrote.

import {html} from './html.js';
import {LaunchMark, Stop, joined, memory} from './launches.js';
import {linkTo} from './server.js';
import {state} from './store.js';
import {clock, span, visible} from './words.js';

export function Launch({id}) {
  const known = state.launch?.id === id ? state.launch : null;
  return html`
    <p class="way"><a href=${linkTo('ui')} data-view="ui">All launches</a></p>
    <div class="title"><h1 tabindex="-1">${known?.answer ? html`<bdi>${visible(known.answer.identity)}</bdi> in <bdi>${visible(known.answer.room)}</bdi>` : id.slice(0, 8)}</h1>
      ${known?.answer && html`<${LaunchMark} one=${known.answer} />`}</div>
    ${!known && html`<p class="loading">Asking the launcher…</p>`}
    ${known?.unknown && html`<p class="note">No launch has this id, or it ended long ago.</p>`}
    ${known?.answer && html`<${Facts} one=${known.answer} /><${Log} text=${known.log} ended=${known.answer.state === 'ended'} />`}
  `;
}

function Facts({one}) {
  const exit = one.exit_signal ? `by ${one.exit_signal}` : one.exit_code === null || one.exit_code === undefined ? '' : `code ${one.exit_code}`;
  const told = [
    ['Launcher', visible(one.launcher)],
    ['Project', one.project],
    ['Asked for', clock(one.accepted_at)],
    [one.state === 'ended' ? 'Lived for' : 'Age', span(one.age_ms)],
    ['Joined after', joined(one) || 'it has not joined'],
    ['Process', [one.pid, one.tries > 1 ? `started ${one.tries} times` : '', one.start === 'warm' ? 'started ahead' : ''].filter(Boolean).join(', ')],
    ['Memory', memory(one)],
    ['Ended', one.ended_at ? clock(one.ended_at) : ''],
    ['Exit', exit],
  ];
  return html`<section class="panel facts" aria-label="How it stands">
    <dl>${told.map(([name, value]) => value && html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <p class="orders"><${Stop} one=${one} /></p>
    <p class="hint">Launch <code>${one.id}</code></p>
  </section>`;
}

function Log({text, ended}) {
  const lines = text.split('\n').slice(0, -1);
  return html`<section class="panel log" aria-labelledby="log">
    <h2 id="log">What it wrote <small>the last ${lines.length} lines</small></h2>
    ${lines.length ? html`<pre>${lines.map(visible).join('\n')}</pre>` : html`<p class="hint">${ended ? 'Nothing, or its log is not kept any more.' : 'Nothing yet.'}</p>`}
  </section>`;
}
