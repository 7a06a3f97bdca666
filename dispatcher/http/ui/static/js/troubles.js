// What is wrong with the service itself, the worst first, in the service's own sentences.

import {html, kept} from './html.js';
import {visible} from './words.js';

const SMALL = new Set(['dry_run']);

export const Troubles = kept(({troubles}) => {
  if (!troubles.length) return null;
  return html`<section class="troubles" aria-labelledby="troubles">
    <h2 id="troubles" class="unseen">Trouble of the service</h2>
    <ul>${troubles.map(one => html`<li class=${SMALL.has(one.kind) ? 'note' : 'note bad'} key=${`${one.kind} ${one.project} ${one.reason}`}>${visible(one.sentence)}</li>`)}</ul>
  </section>`;
});
