// Who waits now: those who have waited longest first, each with the likeliest cause.

import {html} from './html.js';
import {linkTo} from './server.js';
import {Mark, WAITS, stateOf} from './states.js';
import {now, state} from './store.js';
import {age, roomView, visible} from './words.js';
import {OrderButton} from './confirmation.js';
import {mayOrder, orders} from './orders.js';

const SHOWN = 12;

export function Waiting({rooms}) {
  const lines = rooms.flatMap(room => (WAITS.has(stateOf(room)) ? room.assignments.filter(one => WAITS.has(one.state)).map(one => ({room, one})) : []));
  lines.sort((a, b) => (a.room.waiting_since || Infinity) - (b.room.waiting_since || Infinity));
  if (!lines.length) return null;
  const more = lines.length - SHOWN;
  return html`<section class="panel waiting" aria-labelledby="waiting">
    <h2 id="waiting">Who waits now</h2>
    <table class="stacked">
      <thead><tr><th scope="col">Room</th><th scope="col">Has waited</th><th scope="col">For</th><th scope="col">Likeliest cause</th><th scope="col"><span class="unseen">Orders</span></th></tr></thead>
      <tbody>${lines.slice(0, SHOWN).map(({room, one}) => html`<${Line} key=${`${room.project} ${room.sid} ${one.assignment}`} room=${room} one=${one} />`)}</tbody>
    </table>
    ${more > 0 && html`<p class="more">${more === 1 ? 'One more waits' : `${more} more wait`}: see the <a href="#rooms">rooms</a> below.</p>`}
  </section>`;
}

function Line({room, one}) {
  const waited = room.waiting_since ? now() - room.waiting_since : null;
  return html`<tr>
    <th scope="row"><a href=${linkTo(roomView(room.room))} data-view=${roomView(room.room)}><bdi>${visible(room.room)}</bdi></a>
      ${state.user.projects.length > 1 && html`<small>${room.project}</small>`}</th>
    <td class="waited" data-name="Has waited">${waited === null ? '' : age(waited)}</td>
    <td data-name="For"><bdi>${visible(one.agent) || 'an agent without a name'}</bdi> <${Mark} state=${one.state} /></td>
    <td class="cause">${visible(one.cause || '') || COMING[one.state]}</td>
    <td class="orders">${one.state !== 'paused' && mayOrder(one.agent) && html`<${OrderButton} order=${orders.retry({room: room.room, project: room.project}, one.assignment)} label="Retry" />`}</td>
  </tr>`;
}

const COMING = {
  waiting: 'Nothing has failed yet: its attempt comes as soon as it has its turn.',
  requested: 'Nothing has failed yet: an attempt is under way.',
  starved: 'Every target has been tried.',
  paused: 'Its agents are paused.',
};
