// What `/metrics` of this replica tells of agents, as the page shows it. Pure: text in, values out.

const PREFIX = 'livekit_dispatcher_';
const SAMPLE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"/g;
const ESCAPED = {'\\n': '\n', '\\"': '"', '\\\\': '\\'};

/** The samples of the text, by the metric's name without its prefix: [{labels, value}]. */
export function samples(text) {
  const found = {};
  for (const line of text.split('\n')) {
    const [, name, labels, value] = SAMPLE.exec(line) || [];
    if (!name?.startsWith(PREFIX)) continue;
    const pairs = [...(labels || '').matchAll(LABEL)].map(([, label, said]) => [label, said.replace(/\\[n"\\]/g, one => ESCAPED[one])]);
    (found[name.slice(PREFIX.length)] ||= []).push({labels: Object.fromEntries(pairs), value: Number(value)});
  }
  return found;
}

function summed(list, label) {
  const sums = {};
  for (const {labels, value} of list) sums[labels[label]] = (sums[labels[label]] || 0) + value;
  return sums;
}

/** By the agent's name: what it served and what failed since the start, and how soon it comes. */
export function agentsCounted(text) {
  const all = samples(text);
  const of = name => all[name] || [];
  const joined = summed(of('agents_joined_total'), 'agent');
  const failed = summed(of('dispatches_total').filter(one => FAILED.has(one.labels.result)), 'agent');
  const buckets = {};
  for (const {labels, value} of of('time_to_agent_seconds_bucket')) (buckets[labels.agent] ||= []).push([Number(labels.le === '+Inf' ? Infinity : labels.le), value]);
  return Object.fromEntries(Object.keys({...joined, ...failed}).map(agent => [agent, {
    served: joined[agent] || 0,
    failed: failed[agent] || 0,
    p50_ms: quantile(buckets[agent] || [], 0.5),
    p95_ms: quantile(buckets[agent] || [], 0.95),
  }]));
}

const FAILED = new Set(['silent', 'no_show', 'rejected', 'refused', 'unsent', 'vanished', 'failed', 'crashed']);

/** In ms, by straight lines inside the buckets, as Prometheus has it; null where nothing was counted. */
export function quantile(buckets, share) {
  const total = buckets.at(-1)?.[1] || 0;
  if (!total) return null;
  const at = buckets.findIndex(([, many]) => many >= total * share);
  const [low, before] = at ? buckets[at - 1] : [0, 0];
  const [high, many] = buckets[at];
  if (high === Infinity) return low * 1000;
  return Math.round((low + (high - low) * ((total * share - before) / Math.max(1, many - before))) * 1000);
}
