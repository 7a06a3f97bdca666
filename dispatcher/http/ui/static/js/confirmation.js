// Orders: each is confirmed in a dialog before the service gets it, and what became of it is told.

import {Component, html} from './html.js';
import {ask, Refused} from './server.js';
import {change, state} from './store.js';
import {visible} from './words.js';

const SPANS = [['30m', '30 minutes'], ['2h', '2 hours'], ['8h', '8 hours'], ['', 'until somebody resumes it']];

/** A button that asks for the order's confirmation. */
export function OrderButton({order, label, quiet}) {
  return html`<button class=${order.grave && !quiet ? 'grave' : ''} onClick=${() => change({asking: order, told: ''})}
    aria-label=${`${label || order.title}: ${visible(order.subject)}`}>${label || order.title}</button>`;
}

export class Confirmation extends Component {
  componentDidUpdate() {
    if (this.dialog && !this.dialog.open) {
      this.before = document.activeElement;
      this.dialog.showModal();
    }
    if (!this.props.order && this.before) {
      this.before.focus?.();
      this.before = null;
    }
  }

  render({order, soon}) {
    if (!order) return null;
    const close = () => { this.setState({sending: false, refused: ''}); change({asking: null}); };
    const send = async event => {
      event.preventDefault();
      if (this.state.sending) return;
      this.setState({sending: true, refused: ''});
      const refused = await carryOut(order, event.target.elements);
      if (refused) return this.setState({sending: false, refused});
      soon(0);
      return close();
    };
    return html`<dialog class="confirm" ref=${one => { this.dialog = one; }} aria-labelledby="confirm-title" onClose=${close} onCancel=${close}>
      <form onSubmit=${send}>
        <h2 id="confirm-title">${order.title}: <bdi>${visible(order.subject)}</bdi></h2>
        <p>${order.means}</p>
        ${order.pauses && html`<${PauseFields} />`}
        ${this.state.refused && html`<p class="note bad" role="alert">${visible(this.state.refused)}</p>`}
        <div class="choices">
          <button type="button" onClick=${close} autofocus>Leave it as it is</button>
          <button class=${order.grave ? 'grave primary' : 'primary'} aria-disabled=${this.state.sending ? 'true' : 'false'}>${this.state.sending ? 'Sending…' : order.does}</button>
        </div>
      </form>
    </dialog>`;
  }
}

function PauseFields() {
  return html`<div class="fields">
    <label>For how long <select name="lasts">${SPANS.map(([value, name]) => html`<option value=${value}>${name}</option>`)}</select></label>
    <label>Why <input name="reason" maxlength="200" placeholder="for whoever asks" autocomplete="off" /></label>
  </div>`;
}

/** Why it was refused; '' when it was carried out. */
async function carryOut(order, fields) {
  const body = order.pauses ? {...(fields.lasts.value ? {for: fields.lasts.value} : {}), reason: fields.reason.value} : {};
  const sent = order.pauses || order.plain ? {...body, ...(order.project ? {project: order.project} : {})} : undefined;
  const {user} = state;
  try {
    await ask(order.path, {method: order.method, values: order.values, body: sent, patience: order.patience});
  } catch (error) {
    return error instanceof Refused ? `The service refused it: ${error.message}` : `Nobody knows whether it was carried out: ${error.message}`;
  }
  if (state.user === user) change({told: order.done});
  return '';
}
