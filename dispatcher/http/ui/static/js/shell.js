// What all pages have: the door, the head, what is wrong with the connection, the question before an order.

import {Confirmation} from './confirmation.js';
import {html, render} from './html.js';
import {ask, linkTo, Refused, token} from './server.js';
import {SignIn} from './signin.js';
import {change, drawWith, signedOut, state} from './store.js';
import {arrive, followLinks} from './views.js';
import {clock, visible} from './words.js';

const AGAIN = 3_000; // ms, where the service does not answer at the start

/**
 * Open the door, then show the view that the address names, anew at each change and once a second.
 *
 * A page is {title, brand, begin, end, soon, subject, View, Search, connection}: what is asked from when the user may ask
 * until they sign out, and what is shown.
 */
export function show(page) {
  const root = document.getElementById('page');
  root.textContent = '';
  drawWith(() => render(html`<${Page} page=${page} />`, root));
  setInterval(() => document.hidden || change({tick: state.tick + 1}), 1000);
  followLinks();
  arrive();
  open(page);
}

/** Find out who asks: a token of this tab's, or somebody whom the operator's proxy has signed in. */
async function open(page) {
  try {
    const user = await ask('v1/whoami');
    if (!user.scopes.includes('read')) throw new Refused(403, {error: 'forbidden', detail: `The token ${user.name} may not read.`});
    change({user, door: 'open', refused: '', failing: null});
    page.begin();
  } catch (error) {
    if (!(error instanceof Refused)) {
      change({failing: state.failing || {since: Date.now(), why: error.message}});
      setTimeout(() => open(page), AGAIN);
      return;
    }
    const said = token.get() ? (error.status === 401 ? 'The service does not take this token.' : error.message) : '';
    token.forget();
    change({door: error.status === 404 ? 'off' : 'sign-in', refused: said});
  }
}

function Page({page}) {
  if (state.door !== 'open') {
    const signIn = given => {
      token.keep(given);
      change({door: 'opening', refused: ''});
      open(page);
    };
    return html`<main class="door" id="main"><${SignIn} name=${page.title} door=${state.door} refused=${state.refused} failing=${state.failing} signIn=${signIn} /></main>`;
  }
  const signOut = () => {
    page.end();
    token.forget();
    signedOut();
  };
  const subject = page.subject();
  document.title = `${subject ? `${visible(subject)} · ` : ''}${page.title}`;
  return html`
    <a class="skip" href="#main">Skip to the content</a>
    <header class="top">
      <a class="brand" href=${linkTo('ui')} data-view="ui">${page.brand}</a>
      ${page.Search && html`<${page.Search} />`}
      <${Connection} said=${page.connection()} />
      <span class="user">
        <span title="whose token this is">${visible(state.user.name)}</span>
        ${token.get() && html`<button class="quiet" onClick=${signOut}>Sign out</button>`}
      </span>
    </header>
    ${state.user.dry_run && html`<p class="band">Dry run: the service asks for no agent.</p>`}
    ${state.failing && html`<p class="band bad" role="alert">${state.failing.answers ? 'The service cannot tell' : 'The service does not answer'}, since ${clock(state.failing.since)}: ${visible(state.failing.why)}
      ${state.freshAt ? ` What is shown here is of ${clock(state.freshAt)}.` : ''}</p>`}
    <main id="main"><${page.View} /></main>
    <p class="told" role="status">${state.told}</p>
    <${Confirmation} order=${state.asking} soon=${page.soon} />
  `;
}

function Connection({said}) {
  if (state.failing) return html`<span class="connection bad">${state.failing.answers ? 'Cannot tell' : 'No answer'}</span>`;
  const [name, title] = said;
  return html`<span class=${`connection ${name === 'Live' ? 'live' : ''}`} title=${title}>${name}</span>`;
}
