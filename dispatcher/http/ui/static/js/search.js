// The search: Enter opens the room of exactly that name, typing narrows the list of rooms.

import {html} from './html.js';
import {soon} from './refresh.js';
import {change, state} from './store.js';
import {go, roomIn} from './views.js';
import {roomView} from './words.js';

const PAUSE = 250; // ms without a key

let timer = 0;

export function Search() {
  const typed = event => {
    const q = event.target.value.trim();
    clearTimeout(timer);
    timer = setTimeout(() => narrow({q}), PAUSE);
  };
  const entered = event => {
    event.preventDefault();
    clearTimeout(timer);
    const q = event.target.elements.q.value.trim();
    if (q) go(roomView(q));
  };
  return html`<form class="search" role="search" onSubmit=${entered}>
    <input name="q" type="search" placeholder="Room" aria-label="Search for a room; Enter opens the room of that name" maxlength="1024"
      autocomplete="off" spellcheck=${false} onInput=${typed} />
  </form>`;
}

/** Show those rooms only, from the first. */
export function narrow(news) {
  change({filter: {...state.filter, ...news}, cursors: []});
  if (!roomIn(state.path)) soon(0);
}
