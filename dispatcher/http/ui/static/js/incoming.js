// What comes in, and whether those whom the service needs answer: webhooks, sweep, LiveKit, ledger, configuration.

import {html} from './html.js';
import {now} from './store.js';
import {age, clock, number, visible} from './words.js';

const GOOD = new Set(['recorded', 'duplicate', 'room_finished', 'ignored']);

export function Incoming({stats}) {
  return html`<section class="panel incoming" aria-labelledby="incoming">
    <h2 id="incoming">What comes in</h2>
    ${stats ? html`<${Told} stats=${stats} />` : html`<p class="hint">This release of the service does not tell: see <code>/metrics</code>.</p>`}
  </section>`;
}

function Told({stats}) {
  const {webhooks, projects = [], sweep, ledger, config} = stats;
  const results = Object.entries(webhooks?.results || {}).filter(([, many]) => many).sort((a, b) => b[1] - a[1]);
  return html`
    <p class="lead">${lastWebhook(stats)}</p>
    ${results.length > 0 && html`<dl class="results">${results.map(([name, many]) => html`<div class=${GOOD.has(name) ? '' : 'bad-text'} key=${name}>
      <dt>${name.replaceAll('_', ' ')}</dt><dd>${number(many)}</dd></div>`)}</dl>`}
    <dl class="health">
      ${projects.map(one => html`<${Health} key=${one.project} name=${projects.length > 1 ? `LiveKit of ${one.project}` : 'LiveKit'} well=${!one.livekit_failing} said=${one.said} />`)}
      ${ledger && html`<${Health} name="Ledger" well=${!ledger.failing} said=${ledger.said} />`}
      ${sweep && html`<${Health} name="Sweep" well=${!sweep.late} said=${sweep.at ? `${age(now() - sweep.at)} ago` : 'not yet'} />`}
      ${config && html`<${Health} name="Configuration" well=${!config.refused_at} said=${configSaid(config)} />`}
    </dl>`;
}

function lastWebhook({webhooks}) {
  if (webhooks?.last_at) return `The last webhook came ${age(now() - webhooks.last_at)} ago.`;
  return 'No webhook has come since the start.';
}

function configSaid(config) {
  if (config.refused_at) return `a change was refused at ${clock(config.refused_at)}; that of ${clock(config.loaded_at)} is in force`;
  return config.loaded_at ? `of ${clock(config.loaded_at)}` : 'in force';
}

function Health({name, well, said}) {
  return html`<div><dt><span class=${`dot ${well ? 'good' : 'bad'}`} aria-hidden="true"></span>${name}</dt><dd>${visible(said || (well ? 'answers' : 'fails'))}</dd></div>`;
}
