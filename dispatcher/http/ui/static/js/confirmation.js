// Orders: each is confirmed in a dialog before the service gets it, and what became of it is told.

import {Component, html} from './html.js';
import {soon} from './refresh.js';
import {ask, Refused} from './server.js';
import {change, state} from './store.js';
import {quoted, visible} from './words.js';

const SPANS = [['30m', '30 minutes'], ['2h', '2 hours'], ['8h', '8 hours'], ['', 'until somebody resumes it']];

/** Whether the user's token may order something of these agents. */
export function mayOrder(...agents) {
  const {scopes, agents: own} = state.user;
  return scopes.includes('dispatch') && (own === null || agents.every(agent => own.includes(agent)));
}

export const orders = {
  retry: (session, key) => ofAssignment(session, key, {
    title: 'Try again', does: 'Try again', method: 'POST', end: '/retry',
    means: 'The assignment has its whole budget again, at its first target and now. An attempt that is under way goes on.',
    done: 'It is tried again.',
  }),
  cancel: (session, key) => ofAssignment(session, key, {
    title: 'Cancel', does: 'Cancel the assignment', method: 'DELETE', end: '', grave: true,
    means: 'The agent goes, at once or as soon as it comes. Those who are in the room now get no other one from this assignment.',
    done: 'It is cancelled.',
  }),
  look: session => ({
    title: 'Look now', does: 'Look', subject: session.room, method: 'POST', path: 'v1/room/look', values: {room: session.room, project: session.project},
    means: 'The service looks at the room in LiveKit now, and does what is to be done.',
    done: 'The room is looked at.',
  }),
  pause: row => ({
    title: 'Pause', does: 'Pause the agent', subject: row.agent, method: 'POST', path: `v1/agents/${quoted(row.agent)}/pause`, grave: true, pauses: true, project: row.project,
    means: 'Nobody new is given this agent. Whoever has it keeps it; whoever waits for it goes on to the next target, or waits.',
    done: `${visible(row.agent)} is paused.`,
  }),
  resume: row => ({
    title: 'Resume', does: 'Resume the agent', subject: row.agent, method: 'POST', path: `v1/agents/${quoted(row.agent)}/resume`, project: row.project, plain: true,
    means: row.paused?.configured
      ? 'The pause that was ordered ends. The configuration pauses the agent, too, and goes on to.'
      : 'Whoever waits for this agent gets it within seconds.',
    done: `${visible(row.agent)} is resumed.`,
  }),
};

function ofAssignment(session, key, order) {
  const values = {room: session.room, assignment: key, project: session.project};
  return {...order, subject: `${key} in ${session.room}`, path: `v1/room/assignment${order.end}`, values};
}

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

  render({order}) {
    if (!order) return null;
    const close = () => { this.setState({sending: false, refused: ''}); change({asking: null}); };
    const send = async event => {
      event.preventDefault();
      if (this.state.sending) return;
      this.setState({sending: true, refused: ''});
      const refused = await carryOut(order, event.target.elements);
      if (refused) this.setState({sending: false, refused});
      else close();
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
  try {
    await ask(order.path, {method: order.method, values: order.values, body: sent});
  } catch (error) {
    return error instanceof Refused ? `The service refused it: ${error.message}` : `Nobody knows whether it was carried out: ${error.message}`;
  }
  change({told: order.done});
  soon(0);
  return '';
}
