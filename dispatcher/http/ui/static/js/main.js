// The page: opens the door, then shows the view that the address names, anew at each change and once a second.

import {Confirmation} from './confirmation.js';
import {html, render} from './html.js';
import {Overview} from './overview.js';
import {begin, end} from './refresh.js';
import {Room} from './room.js';
import {ask, linkTo, Refused, token} from './server.js';
import {SignIn} from './signin.js';
import {change, drawWith, state} from './store.js';
import {Search} from './search.js';
import {arrive, followLinks, roomIn} from './views.js';
import {clock, visible} from './words.js';

const AGAIN = 3_000; // ms, where the service does not answer at the start

/** Find out who asks: a token of this tab's, or somebody whom the operator's proxy has signed in. */
async function open() {
  try {
    const user = await ask('v1/whoami');
    if (!user.scopes.includes('read')) throw new Refused(403, {error: 'forbidden', detail: `The token ${user.name} may not read.`});
    change({user, door: 'open', refused: '', failing: null});
    begin();
  } catch (error) {
    if (!(error instanceof Refused)) {
      change({failing: state.failing || {since: Date.now(), why: error.message}});
      setTimeout(open, AGAIN);
      return;
    }
    const said = token.get() ? (error.status === 401 ? 'The service does not take this token.' : error.message) : '';
    token.forget();
    change({door: error.status === 404 ? 'off' : 'sign-in', refused: said});
  }
}

function signIn(given) {
  token.keep(given);
  change({door: 'opening', refused: ''});
  open();
}

function signOut() {
  end();
  token.forget();
  change({door: 'sign-in', user: null, refused: '', agents: null, stats: null, waiting: null, rooms: null, room: null});
}

function Page() {
  if (state.door !== 'open') {
    return html`<main class="door" id="main"><${SignIn} door=${state.door} refused=${state.refused} failing=${state.failing} signIn=${signIn} /></main>`;
  }
  const room = roomIn(state.path);
  document.title = `${room ? `${visible(room)} · ` : ''}livekit-dispatcher`;
  return html`
    <a class="skip" href="#main">Skip to the content</a>
    <header class="top">
      <a class="brand" href=${linkTo('ui')} data-view="ui">dispatcher</a>
      <${Search} />
      <${Connection} />
      <span class="user">
        <span title="whose token this is">${visible(state.user.name)}</span>
        ${token.get() && html`<button class="quiet" onClick=${signOut}>Sign out</button>`}
      </span>
    </header>
    ${state.user.dry_run && html`<p class="band">Dry run: the service asks for no agent.</p>`}
    ${state.failing && html`<p class="band bad" role="alert">${state.failing.answers ? 'The service cannot tell' : 'The service does not answer'}, since ${clock(state.failing.since)}: ${visible(state.failing.why)}
      ${state.freshAt ? ` What is shown here is of ${clock(state.freshAt)}.` : ''}</p>`}
    <main id="main">${room ? html`<${Room} name=${room} />` : html`<${Overview} />`}</main>
    <p class="told" role="status">${state.told}</p>
    <${Confirmation} order=${state.asking} />
  `;
}

function Connection() {
  if (state.failing) return html`<span class="connection bad">${state.failing.answers ? 'Cannot tell' : 'No answer'}</span>`;
  const [name, title] = state.live === 'live'
    ? ['Live', 'Changes are shown as they happen']
    : ['Every 3 s', 'The service is asked every 3 s: its events cannot be heard'];
  return html`<span class=${`connection ${state.live}`} title=${title}>${name}</span>`;
}

const page = document.getElementById('page');
page.textContent = '';
drawWith(() => render(html`<${Page} />`, page));
setInterval(() => document.hidden || change({tick: state.tick + 1}), 1000);
followLinks();
arrive();
open();
