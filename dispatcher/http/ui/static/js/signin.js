// Before the door: which token, or why there is none to ask for.

import {html} from './html.js';
import {visible} from './words.js';

export function SignIn({name, door, refused, failing, signIn}) {
  return html`<section class="signin">
    <h1 tabindex="-1">${name}</h1>
    ${failing && html`<p class="note bad" role="alert">The service does not answer: ${visible(failing.why)} It is asked again every few seconds.</p>`}
    ${door === 'opening' && !failing && html`<p role="status">Asking who you are…</p>`}
    ${door === 'off' && html`<p class="note">The API is off, and this page shows what the API tells. Start the service with <code>DISPATCHER_API_TOKEN</code>,
      or with <code>api_tokens</code> in its file, and load this page again.</p>`}
    ${door === 'sign-in' && html`<${Form} refused=${refused} signIn=${signIn} />`}
  </section>`;
}

function Form({refused, signIn}) {
  const submitted = event => {
    event.preventDefault();
    const given = event.target.elements.token.value.trim();
    if (given) signIn(given);
  };
  return html`<form onSubmit=${submitted}>
    <label for="token">API token</label>
    <input id="token" name="token" type="password" autocomplete="current-password" required autofocus
      aria-describedby="token-note" aria-invalid=${refused ? 'true' : 'false'} />
    ${refused && html`<p class="note bad" role="alert">${visible(refused)}</p>`}
    <p class="hint" id="token-note"><code>DISPATCHER_API_TOKEN</code>, or one of <code>api_tokens</code> with the scope <code>read</code>. This tab keeps it until you close it.</p>
    <button class="primary">Sign in</button>
  </form>`;
}
