// The picture of a session: one time axis; a lane for each person, for each assignment, and for each attempt at it.

import {Component, html} from './html.js';
import {picture, ticks} from './story.js';
import {VERDICTS} from './states.js';
import {clock, span, visible} from './words.js';

const MARGIN = 0.04; // of what is shown, left free behind what happened
const WORTH = 4; // times longer than what happened: then the picture begins with the closer look
const SIGNS = {order: '▲', back: '↩', alarm: '!', pause: 'Ⅱ', found: '◆', end: '■'};

export class Picture extends Component {
  render({session, now}) {
    const whole = picture(session, now);
    if (!whole.lanes.some(lane => lane.bars.length)) return null;
    const eventful = whole.busy + Math.max(1000, (whole.busy - whole.from) * 0.15);
    const closer = whole.to - whole.from > WORTH * (eventful - whole.from);
    const close = closer && (this.state.close ?? true);
    const from = whole.from;
    const shown = close ? eventful : whole.to + (whole.to - from) * MARGIN;
    const place = at => `${Math.min(100, Math.max(0, ((at - from) / Math.max(1, shown - from)) * 100))}%`;
    return html`<section class="panel picture" aria-labelledby="picture">
      <div class="heading">
        <h2 id="picture">What happened when</h2>
        ${closer && html`<div class="toggle" role="group" aria-label="How much of the time is shown">
          <button aria-pressed=${close ? 'true' : 'false'} onClick=${() => this.setState({close: true})}>What happened</button>
          <button aria-pressed=${close ? 'false' : 'true'} onClick=${() => this.setState({close: false})}>All of the time</button>
        </div>`}
      </div>
      <div class="lanes">
        <div class="axis" aria-hidden="true"><span>from ${clock(from)}</span><div class="track">${ticks(from, shown).map(ms => html`<span style=${{left: place(from + ms)}}>${tickSaid(ms)}</span>`)}</div></div>
        <ul>${whole.lanes.map(lane => html`<${Lane} lane=${lane} place=${place} from=${from} until=${shown} />`)}</ul>
        <div class="grid" aria-hidden="true"><span></span><div class="track">${ticks(from, shown).map(ms => html`<i style=${{left: place(from + ms)}}></i>`)}</div></div>
      </div>
      ${whole.left > 0 && html`<p class="hint">${whole.left} earlier attempts are not drawn.</p>`}
      <${Legend} whole=${whole} />
    </section>`;
  }
}

function Lane({lane, place, from, until}) {
  return html`<li class=${`lane ${lane.kind}`}>
    <span class="name">${nameOf(lane)}</span>
    <div class="track">
      ${lane.bars.filter(bar => bar.from < until).map(bar => html`<span class=${`bar ${bar.colour}`} title=${`${barSaid(lane, bar)}: ${span(bar.to - bar.from)}`}
        style=${{left: place(bar.from), width: `calc(${place(bar.to)} - ${place(bar.from)})`}}><span class="unseen">${barSaid(lane, bar)}, from +${span(bar.from - from)} for ${span(bar.to - bar.from)}. </span></span>`)}
      ${lane.signs.filter(sign => sign.at <= until).map(sign => html`<span class=${`sign ${sign.kind}`} title=${`${visible(sign.said)} (+${span(sign.at - from)})`} style=${{left: place(sign.at)}}>
        <span aria-hidden="true">${SIGNS[sign.kind]}</span><span class="unseen">+${span(sign.at - from)}: ${visible(sign.said)}. </span></span>`)}
    </div>
    ${lane.kind === 'attempt' && html`<span class=${`outcome ${lane.serving ? 'good-text' : ''}`}>${outcome(lane)}</span>`}
  </li>`;
}

function tickSaid(ms) {
  return ms ? `+${span(ms).replace('.0 s', ' s').replace(/^0\.(\d)0 s/, '0.$1 s')}` : '0';
}

function nameOf(lane) {
  if (lane.kind === 'attempt') return html`<b>${lane.number}</b> <bdi>${visible(lane.name) || 'no name'}</bdi>${!lane.ours && html` <small>adopted</small>`}`;
  if (lane.kind === 'room') return 'the room';
  if (lane.kind === 'agent') return html`<bdi>${visible(lane.name)}</bdi> <small>agent</small>`;
  return html`<bdi>${visible(lane.name) || 'somebody'}</bdi>`;
}

function outcome(lane) {
  if (lane.serving) return 'is in the room';
  return (VERDICTS[lane.verdict] || [lane.verdict])[0];
}

function barSaid(lane, bar) {
  if (bar.colour === 'person' || bar.colour === 'agent') return 'in the room';
  if (bar.colour === 'wait') return 'waits for an agent';
  if (bar.colour === 'coming') return 'asked for, and on its way';
  if (bar.colour === 'serving') return 'in the room';
  if (bar.colour.startsWith('served')) return `in the room; then ${(VERDICTS[bar.said] || [bar.said])[0]}`;
  return (VERDICTS[bar.said] || [bar.said])[0];
}

function Legend({whole}) {
  const kinds = new Set(whole.lanes.flatMap(lane => lane.signs.map(sign => sign.kind)));
  const colours = new Set(whole.lanes.flatMap(lane => lane.bars.map(bar => bar.colour.split(' ')[0])));
  const bars = [['person', 'somebody is there'], ['agent', 'an agent is there'], ['wait', 'waits for an agent'], ['coming', 'asked for'], ['serving', 'its agent is there']];
  const signs = [['order', 'ordered by somebody'], ['back', 'taken back'], ['alarm', 'remarkable'], ['pause', 'paused'], ['found', 'found by the sweep'], ['end', 'the room has ended']];
  return html`<ul class="legend" aria-hidden="true">
    ${bars.filter(([one]) => colours.has(one)).map(([one, said]) => html`<li><span class=${`swatch ${one}`}></span>${said}</li>`)}
    ${signs.filter(([one]) => kinds.has(one)).map(([one, said]) => html`<li><span class=${`sign ${one}`}>${SIGNS[one]}</span>${said}</li>`)}
  </ul>`;
}
