// The service's page: the whole, or one room.

import {html} from './html.js';
import {Overview} from './overview.js';
import {begin, end, soon} from './refresh.js';
import {Room} from './room.js';
import {Search} from './search.js';
import {show} from './shell.js';
import {state} from './store.js';
import {roomIn} from './views.js';

function View() {
  const room = roomIn(state.path);
  return room ? html`<${Room} name=${room} />` : html`<${Overview} />`;
}

show({
  title: 'livekit-dispatcher',
  brand: 'dispatcher',
  begin,
  end,
  soon,
  subject: () => roomIn(state.path),
  View,
  Search,
  connection: () => (state.live === 'live'
    ? ['Live', 'Changes are shown as they happen']
    : ['Every 3 s', 'The service is asked every 3 s: its events cannot be heard']),
});
