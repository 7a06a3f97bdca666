// The states of an assignment and the verdicts of an attempt: their words, and which colour each has.

import {html} from './html.js';

/** By state: [what stands on the mark, its colour]. Those who wait come first. */
export const STATES = {
  starved: ['starved', 'bad'],
  waiting: ['waiting', 'warn'],
  requested: ['asked', 'busy'],
  paused: ['paused', 'still'],
  served: ['served', 'good'],
  idle: ['nobody waits', 'faint'],
  finished: ['finished', 'faint'],
};
export const WAITS = new Set(['starved', 'waiting', 'requested', 'paused']);

/** By verdict: [what it means, its colour]; the words are those of `dispatcher explain`. */
export const VERDICTS = {
  open: ['under way', 'busy'],
  silent: ['no worker took the job', 'bad'],
  no_show: ['a worker took the job, and no agent joined', 'bad'],
  rejected: ['its worker said no', 'warn'],
  refused: ['LiveKit refused the request', 'bad'],
  unsent: ['LiveKit was not reached', 'warn'],
  vanished: ['somebody deleted its dispatch', 'warn'],
  failed: ['the agent joined and left at once', 'bad'],
  crashed: ["the agent's process was lost", 'bad'],
  finished: ['the agent left, and was done', 'faint'],
  left: ['the agent left, and had not said that it was done', 'warn'],
  removed: ['somebody removed the agent', 'faint'],
  ended: ['the agent left after everybody', 'faint'],
  surplus: ['another agent serves already', 'faint'],
  cancelled: ['somebody cancelled it', 'faint'],
};
/** Verdicts after which somebody waits again. */
export const REPLACED = new Set(['failed', 'crashed', 'left']);

/** The assignment's name for people: the rule's, or what was ordered. */
export function nameOf(assignment) {
  if (!assignment.assignment.startsWith('request:')) return assignment.assignment;
  return `${assignment.attempts[0]?.agent || 'an agent'}, ordered`;
}

export function Mark({state}) {
  const [name, colour] = STATES[state] || [state, 'faint'];
  return html`<span class=${`mark ${colour}`}>${name}</span>`;
}

/** The state of a room: that of its assignment which needs most attention. */
export function stateOf(room) {
  if (room.finished) return 'finished';
  const states = new Set(room.assignments.map(one => one.state));
  return Object.keys(STATES).find(state => states.has(state)) || 'idle';
}
