// What may be ordered of the service: of an assignment, a room, an agent.

import {state} from './store.js';
import {quoted, visible} from './words.js';

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
