// What the picture of a session shows, computed from its timeline: lanes with bars and signs, and where the time went.
// Pure: instants in, instants out.

import {nameOf, REPLACED, WAITS} from './states.js';

const CREATED = new Set(['assignment.created', 'agent.ordered']);
const BEGINS = new Set(['dispatch.requested', 'dispatch.adopted', 'dispatch.simulated', 'attempt.reopened']);
const SIGNS = {
  'agent.ordered': ['order', entry => `${entry.by || 'somebody'} ordered ${entry.agent}`],
  'assignment.cancelled': ['order', entry => `${entry.by || 'somebody'} cancelled it`],
  'assignment.retried': ['order', entry => `${entry.by || 'somebody'} ordered another try`],
  'attempt.retracted': ['back', entry => `what is left of attempt ${entry.number} is taken back: ${entry.part || entry.reason}`],
  'assignment.starved': ['alarm', () => 'every target has been tried'],
  'assignment.paused': ['pause', entry => `${entry.agent} is paused: it waits`],
  'assignment.resumed': ['pause', entry => `${entry.agent} is paused no longer`],
  'target.skipped': ['pause', entry => `${entry.agent} is paused: the next target is tried`],
  'target.bypassed': ['alarm', entry => `no agent of ${entry.agent} is seen in any room: another target is asked`],
  'dispatch.unanswered': ['alarm', entry => `nobody knows whether LiveKit took attempt ${entry.number}`],
  'dispatch.duplicated': ['alarm', entry => `another process made attempt ${entry.number}, too`],
  'room.found': ['found', () => 'the sweep found the room: no webhook had told of it'],
  'agent.unrequested': ['alarm', entry => `an agent that no rule asked for: ${entry.agent}`],
  'agent.belated': ['alarm', entry => `${entry.agent} came after the end of the session before`],
  'room.finished': ['end', () => 'the room has ended'],
};
const ATTEMPTS_MAX = 16;

/** The attempts of an assignment, each with its instants: asked, joined, ended; those that the timeline still tells. */
export function attemptsOf(timeline, assignment) {
  const found = new Map();
  for (const entry of timeline) {
    if (entry.assignment !== assignment.assignment || !entry.number) continue;
    const one = found.get(entry.number) || {number: entry.number, agent: entry.agent, asked: null, joined: null, ended: null, verdict: 'open', ours: true};
    if (BEGINS.has(entry.event)) {
      one.asked ??= entry.at;
      one.ended = null;
      one.ours = entry.event !== 'dispatch.adopted';
    }
    if (entry.event === 'agent.joined') one.joined ??= entry.at;
    if (entry.event === 'attempt.ended') {
      one.ended = entry.at;
      one.verdict = entry.verdict;
    }
    found.set(entry.number, one);
  }
  for (const told of assignment.attempts) {
    const one = found.get(told.number) || {number: told.number, agent: told.agent, asked: null, joined: null, ended: null, verdict: told.verdict, ours: told.ours};
    one.asked ??= told.started_at;
    one.ours = told.ours;
    if (told.verdict !== 'open') one.verdict = told.verdict;
    found.set(told.number, one);
  }
  return [...found.values()].filter(one => one.asked !== null).sort((a, b) => a.number - b.number);
}

/** Everything that the picture has: {from, to, lanes: [{kind, name, bars, signs}], left}. `now` ends what goes on. */
export function picture(session, now) {
  const {timeline} = session;
  const end = timeline.find(entry => entry.event === 'room.finished')?.at ?? (session.finished ? timeline.at(-1)?.at ?? now : now);
  const people = (session.present || []).filter(one => one.joined_at).map(one => {
    const kind = one.kind === 'AGENT' ? 'agent' : 'person';
    return lane(kind, kind === 'agent' && one.agent ? one.agent : one.identity, [bar(one.joined_at, end, kind, one.kind)]);
  });
  let left = 0;
  const lanes = session.assignments.flatMap(assignment => {
    const attempts = attemptsOf(timeline, assignment);
    left += Math.max(0, attempts.length - ATTEMPTS_MAX);
    const own = timeline.filter(entry => entry.assignment === assignment.assignment);
    const head = lane('assignment', nameOf(assignment), waits(own, attempts, assignment, end), signsOf(own));
    return [head, ...attempts.slice(-ATTEMPTS_MAX).map(one => attemptLane(one, end))];
  });
  const room = lane('room', 'room', [], signsOf(timeline.filter(entry => !entry.assignment)));
  const all = [...people, ...(room.signs.length ? [room] : []), ...lanes];
  const instants = all.flatMap(one => [...one.bars.flatMap(two => [two.from, two.to]), ...one.signs.map(two => two.at)]);
  return {from: Math.min(...instants, end), to: Math.max(end, ...instants), lanes: all, left, busy: busyUntil(timeline, end)};
}

/** Until when anything happened but an agent's being there: what is worth a closer look. */
function busyUntil(timeline, end) {
  return timeline.filter(entry => entry.event !== 'room.finished').at(-1)?.at ?? end;
}

function lane(kind, name, bars, signs = []) {
  return {kind, name, bars: bars.filter(one => one.to >= one.from), signs};
}

function bar(from, to, colour, said) {
  return {from, to, colour, said};
}

function signsOf(entries) {
  return entries.filter(entry => SIGNS[entry.event]).map(entry => ({at: entry.at, kind: SIGNS[entry.event][0], said: SIGNS[entry.event][1](entry)}));
}

function attemptLane(one, end) {
  const until = one.ended ?? end;
  const bars = one.joined === null
    ? [bar(one.asked, until, one.verdict, one.verdict)]
    : [bar(one.asked, one.joined, 'coming', 'coming'), bar(one.joined, until, one.ended === null ? 'serving' : `served ${one.verdict}`, one.verdict)];
  return {...lane('attempt', one.agent, bars), number: one.number, verdict: one.verdict, ours: one.ours, serving: one.joined !== null && one.ended === null};
}

/** When somebody waited: from the assignment's birth, and from each end of what served it, to the next agent's coming. */
function waits(own, attempts, assignment, end) {
  const bars = [];
  let since = null;
  for (const entry of own) {
    if (CREATED.has(entry.event) || entry.event === 'assignment.renewed') since ??= entry.at;
    if (entry.event === 'agent.joined' && since !== null) {
      bars.push(bar(Math.min(since, entry.at), entry.at, 'wait', 'waits'));
      since = null;
    }
    if (entry.event === 'attempt.ended' && since === null && !bars.some(one => one.from === entry.at) && REPLACED.has(entry.verdict)) since = entry.at;
    if (entry.event === 'assignment.cancelled') since = null;
  }
  if (since !== null && WAITS.has(assignment.state)) bars.push(bar(since, end, 'wait', 'waits'));
  else if (since !== null) bars.push(bar(since, own.at(-1).at, 'wait', 'waits'));
  return bars;
}

/** Where the time until the first agent went: [{name, ms, colour}]; empty where nobody was ever waited for. */
export function timeSpent(session, assignment, now) {
  const own = session.timeline.filter(entry => entry.assignment === assignment.assignment);
  const created = own.find(entry => CREATED.has(entry.event));
  if (!created) return [];
  const joined = own.find(entry => entry.event === 'agent.joined');
  const waiting = WAITS.has(assignment.state);
  const last = joined?.at ?? (waiting ? now : own.at(-1).at);
  const heard = joined?.duration_ms != null ? Math.max(0, joined.duration_ms - (joined.at - created.at)) : 0;
  const swept = session.timeline.some(entry => entry.event === 'room.found' && entry.at <= created.at + 1000);
  const parts = [{name: swept ? 'until the sweep found the room' : 'until a webhook told of it', ms: heard, colour: 'heard'}];
  let at = created.at;
  for (const one of attemptsOf(session.timeline, assignment)) {
    if (one.asked > last) break;
    const until = Math.min(last, one.joined ?? one.ended ?? last);
    parts.push({name: one.asked === created.at || parts.length === 1 ? 'until it had its turn' : 'between two attempts', ms: one.asked - at, colour: 'turn'});
    const served = one.joined !== null && one.joined <= last;
    const name = served ? `LiveKit, and the start of ${one.agent}` : one.ended === null ? `attempt ${one.number} at ${one.agent}, under way` : `attempt ${one.number} at ${one.agent}: ${one.verdict}`;
    parts.push({name, ms: until - Math.max(at, one.asked), colour: served ? 'start' : one.verdict});
    at = until;
    if (served) break;
  }
  if (at < last) parts.push({name: 'until now: the next attempt is to come', ms: last - at, colour: 'turn'});
  return parts.filter(one => one.ms > 0);
}

/** Where the axis has a line: some four to eight, at round spans from its beginning. */
export function ticks(from, to, most = 6) {
  const steps = [100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 86_400_000];
  const step = steps.find(one => (to - from) / one <= most) || Math.ceil((to - from) / most / 86_400_000) * 86_400_000;
  const found = [];
  for (let at = 0; at <= to - from; at += step) found.push(at);
  return found;
}
