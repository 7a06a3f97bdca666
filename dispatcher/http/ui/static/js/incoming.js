// What comes in, and whether those whom the service needs answer: webhooks, sweep, LiveKit, ledger, configuration.

import {html} from './html.js';
import {now} from './store.js';
import {age, clock, number, visible} from './words.js';

const GOOD = new Set(['recorded', 'duplicate', 'room_finished', 'ignored']);

export function Incoming({stats}) {
  return html`<section class="panel incoming" aria-labelledby="incoming">
    <h2 id="incoming">What comes in</h2>
    ${stats ? html`<${Told} here=${stats.this_replica} />` : html`<p class="hint">Nobody tells: an older release answers.</p>`}
  </section>`;
}

function Told({here}) {
  const {webhooks, projects, ledger} = here;
  const results = Object.entries(webhooks || {}).filter(([, many]) => many).sort((a, b) => b[1] - a[1]);
  const webhookAt = Math.max(0, ...projects.map(one => one.last_webhook_at || 0));
  const several = projects.length > 1;
  const refused = here.troubles.some(one => one.kind === 'config_refused');
  return html`
    <p class="lead">${webhookAt ? `The last webhook came ${age(now() - webhookAt)} ago.` : 'No webhook has come since the start.'}</p>
    ${results.length > 0 && html`<dl class="results">${results.map(([name, many]) => html`<div class=${GOOD.has(name) ? '' : 'bad-text'} key=${name}>
      <dt>${name.replaceAll('_', ' ')}</dt><dd>${number(many)}</dd></div>`)}</dl>`}
    <dl class="health">
      ${projects.map(one => html`<${Health} name=${several ? `LiveKit of ${one.project}` : 'LiveKit'} well=${one.livekit !== 'failing'} said=${SAID[one.livekit]} />
        <${Health} name=${several ? `Sweep of ${one.project}` : 'Sweep'} well=${Boolean(one.last_sweep_at)} said=${one.last_sweep_at ? `${age(now() - one.last_sweep_at)} ago` : 'none has come to its end'} />`)}
      <${Health} name="Ledger" well=${ledger !== 'failing'} said=${SAID[ledger]} />
      <${Health} name="Configuration" well=${!refused} said=${refused ? 'a change was refused' : `of ${clock(here.config_loaded_at)}`} />
    </dl>
    <p class="hint">Of this replica, since its start.</p>`;
}

const SAID = {answers: 'answers', failing: 'does not answer', unknown: 'not asked lately'};

function Health({name, well, said}) {
  return html`<div><dt><span class=${`dot ${well ? 'good' : 'bad'}`} aria-hidden="true"></span>${visible(name)}</dt><dd>${said}</dd></div>`;
}

/** What is wrong with the service, in its own sentences. */
export function troublesOf(stats) {
  if (!stats) return [];
  return stats.this_replica.troubles.filter(one => one.kind !== 'dry_run'); // which the page says above all views
}
