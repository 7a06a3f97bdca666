// What comes in, and whether those whom the service needs answer: webhooks, sweep, LiveKit, ledger, configuration.

import {html} from './html.js';
import {now} from './store.js';
import {age, clock, number, visible} from './words.js';

const GOOD = new Set(['recorded', 'duplicate', 'room_finished', 'ignored']);

export function Incoming({standing}) {
  return html`<section class="panel incoming" aria-labelledby="incoming">
    <h2 id="incoming">What comes in</h2>
    ${standing ? html`<${Told} standing=${standing} />` : html`<p class="hint">Nobody tells: <code>/metrics</code> is not to be had here.</p>`}
  </section>`;
}

function Told({standing}) {
  const {webhooks, webhookAt, projects, ledgerFailures, configRefused, configAt} = standing;
  const results = Object.entries(webhooks).filter(([, many]) => many).sort((a, b) => b[1] - a[1]);
  const several = projects.length > 1;
  return html`
    <p class="lead">${webhookAt ? `The last webhook came ${age(now() - webhookAt)} ago.` : 'No webhook has come since the start.'}</p>
    ${results.length > 0 && html`<dl class="results">${results.map(([name, many]) => html`<div class=${GOOD.has(name) ? '' : 'bad-text'} key=${name}>
      <dt>${name.replaceAll('_', ' ')}</dt><dd>${number(many)}</dd></div>`)}</dl>`}
    <dl class="health">
      ${projects.map(one => html`<${Health} name=${several ? `LiveKit of ${one.project}` : 'LiveKit'} well=${!one.failures} said=${one.failures ? `failed ${number(one.failures)} times in a row` : 'answers'} />
        <${Health} name=${several ? `Sweep of ${one.project}` : 'Sweep'} well=${Boolean(one.sweptAt)} said=${one.sweptAt ? `${age(now() - one.sweptAt)} ago` : 'none has come to its end'} />`)}
      <${Health} name="Ledger" well=${!ledgerFailures} said=${ledgerFailures ? `failed ${number(ledgerFailures)} times in a row` : 'answers'} />
      <${Health} name="Configuration" well=${!configRefused} said=${configRefused ? 'a change was refused' : configAt ? `of ${clock(configAt)}` : 'in force'} />
    </dl>
    <p class="hint">Of this replica, since its start.</p>`;
}

function Health({name, well, said}) {
  return html`<div><dt><span class=${`dot ${well ? 'good' : 'bad'}`} aria-hidden="true"></span>${visible(name)}</dt><dd>${said}</dd></div>`;
}

/** What is wrong with what comes in, in sentences. */
export function troublesOf(standing) {
  if (!standing) return [];
  const {projects, found, webhookAt, ledgerFailures, configRefused, configAt} = standing;
  const of = one => (projects.length > 1 ? ` of project ${one.project}` : '');
  const told = projects.filter(one => one.failures).map(one => `LiveKit${of(one)} has not answered ${number(one.failures)} times in a row: no agent is asked for there until it does.`);
  if (ledgerFailures) told.unshift(`The ledger has not answered ${number(ledgerFailures)} times in a row.`);
  if (found && !webhookAt) {
    told.push(`No webhook has come since the start, and ${found === 1 ? 'a room was' : `${number(found)} rooms were`} found by the sweep, up to 30 s late: does LiveKit's \`webhook.urls\` name this service's /webhook?`);
  }
  if (configRefused) told.push(`The last change of the configuration was refused, and that of ${clock(configAt)} is in force: the log says what is wrong, and where.`);
  return told.map(sentence => ({kind: 'standing', project: null, reason: sentence, sentence}));
}
