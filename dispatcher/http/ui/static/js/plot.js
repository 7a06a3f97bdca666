// A small plot of the last hour: a bar a minute, what was served above the line, what failed below it.

import {html, kept} from './html.js';

const HEIGHT = 28;
const MINUTES = 60;

export const HourPlot = kept(({minutes, label}) => {
  const bars = minutes.slice(-MINUTES);
  const most = Math.max(3, ...bars.flatMap(one => [one[0], one[1]]));
  const high = value => (value ? Math.max(1.5, (value / most) * (HEIGHT / 2 - 1)) : 0);
  const middle = HEIGHT / 2;
  return html`<svg class="hour" viewBox=${`0 0 ${MINUTES * 4} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${label}>
    <path class="axis" d=${`M0 ${middle}H${MINUTES * 4}`} />
    <path class="served" d=${bars.map(([served], at) => (served ? bar(at, middle - high(served), high(served)) : '')).join('')} />
    <path class="failed" d=${bars.map(([, failed], at) => (failed ? bar(at, middle + 0.5, high(failed)) : '')).join('')} />
  </svg>`;
});

function bar(minute, top, height) {
  return `M${minute * 4 + 0.5} ${top}h3v${height}h-3z`;
}

/** How soon agents come, as one line from the median to the 95th of a hundred, on an axis that grows by tens. */
export const SpeedPlot = kept(({p50, p95, label}) => {
  const at = ms => Math.min(100, Math.max(0, (Math.log10(Math.max(100, ms)) - 2) * (100 / 2.5)));
  return html`<svg class="speed" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=${label}>
    ${[1000, 10_000].map(ms => html`<path class="axis" d=${`M${at(ms)} 0V10`} />`)}
    <path class=${p95 > 10_000 ? 'range bad' : p95 > 3000 ? 'range warn' : 'range good'} d=${`M${at(p50)} 3H${Math.max(at(p95), at(p50) + 1)}V7H${at(p50)}z`} />
    <path class="median" d=${`M${at(p50)} 1h1.4v8h-1.4z`} />
  </svg>`;
});
