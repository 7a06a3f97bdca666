// All live rooms, a page at a time: however many there are, the browser holds one page.

import {html, kept} from './html.js';
import {PAGE, soon} from './refresh.js';
import {narrow} from './search.js';
import {linkTo} from './server.js';
import {Mark, STATES, stateOf} from './states.js';
import {change} from './store.js';
import {roomView, visible} from './words.js';

export const Rooms = kept(({rooms, filter, cursors, projects}) => {
  if (!rooms) return null;
  const list = rooms.rooms;
  return html`<section class="panel rooms" aria-labelledby="rooms">
    <div class="heading">
      <h2 id="rooms">Rooms ${filter.q && html`<small>with <q><bdi>${visible(filter.q)}</bdi></q></small>`}</h2>
      <label>State <select value=${filter.state} onChange=${event => narrow({state: event.target.value})}>
        <option value="">all</option>${Object.entries(STATES).map(([name, [shown]]) => html`<option value=${name}>${shown}</option>`)}
      </select></label>
      ${projects.length > 1 && html`<label>Project <select value=${filter.project} onChange=${event => narrow({project: event.target.value})}>
        <option value="">all</option>${projects.map(name => html`<option value=${name}>${name}</option>`)}
      </select></label>`}
    </div>
    ${list.length ? html`<table class="stacked">
      <thead><tr><th scope="col">Room</th>${projects.length > 1 && html`<th scope="col">Project</th>`}<th scope="col">State</th><th scope="col">Agent</th></tr></thead>
      <tbody>${list.map(room => html`<${Line} key=${`${room.project} ${room.sid}`} room=${room} several=${projects.length > 1} />`)}</tbody>
    </table>` : html`<p class="hint">${rooms.next_cursor ? 'None is found yet: the next page goes on.' : filter.q || filter.state ? 'No live room is like that.' : 'No room lives.'}</p>`}
    <${Pager} rooms=${rooms} cursors=${cursors} />
  </section>`;
});

const Line = kept(({room, several}) => {
  const view = roomView(room.room);
  return html`<tr>
    <th scope="row"><a href=${linkTo(view)} data-view=${view}><bdi>${visible(room.room)}</bdi></a></th>
    ${several && html`<td data-name="Project">${room.project}</td>`}
    <td data-name="State"><${Mark} state=${stateOf(room)} /></td>
    <td data-name="Agent">${room.assignments.map((one, at) => html`${at > 0 && ', '}<bdi>${visible(one.agent)}</bdi>`)}${!room.assignments.length && 'no rule asks for one'}</td>
  </tr>`;
});

function Pager({rooms, cursors}) {
  const turn = next => { change({cursors: next}); soon(0); };
  if (!rooms.next_cursor && !cursors.length) return null;
  return html`<p class="pager">
    ${cursors.length > 0 && html`<button onClick=${() => turn(cursors.slice(0, -1))}>The ${PAGE} before</button>`}
    ${rooms.next_cursor && html`<button onClick=${() => turn([...cursors, rooms.next_cursor])}>The next ${PAGE}</button>`}
    <span>Page ${cursors.length + 1}</span>
  </p>`;
}
