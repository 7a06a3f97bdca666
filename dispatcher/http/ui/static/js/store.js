// What the page knows, in one object. Whoever changes it says what is new; the page is drawn at the next frame.

/** What the service has been asked for; signed out, the page knows none of it. */
export const UNASKED = {
  agents: null,
  stats: null, // what /v1/stats says; null: an older release answers
  waiting: null, // rooms in which somebody waits, those who have waited longest first
  rooms: null, // one page of the list: {rooms, next_cursor}
  room: null, // {name, answer} or {name, unknown}
  launches: null, // what /v1/launches of a launcher says
  launch: null, // {id, answer, log} or {id, unknown}
};

/** What its user does; signed out, nothing. */
const UNTYPED = {
  filter: {q: '', state: '', project: ''},
  cursors: [], // of the list's pages before this one
  asking: null, // the order that waits for its confirmation
  told: '', // what became of the last order
};

export const state = {
  ...UNASKED,
  ...UNTYPED,
  user: null, // what /v1/whoami says
  door: 'opening', // opening, sign-in, off, open
  refused: '', // why the last token was refused
  path: '', // the view: what stands in the address
  live: 'polling', // live, polling
  failing: null, // {since, why}: the service does not answer
  freshAt: 0, // when it last did
  skew: 0, // the service's clock less the browser's, in ms
  tick: 0,
};

let draw = () => {};
let drawing = false;

/** Have `view` called at the next frame after each change. */
export function drawWith(view) {
  draw = view;
  later();
}

/** Nobody is signed in: whoever signs in next sees nothing of whom the page was shown to. */
export function signedOut(refused = '') {
  change({...UNASKED, ...UNTYPED, door: 'sign-in', user: null, refused});
}

/** Take over what is new. */
export function change(news) {
  Object.assign(state, news);
  later();
}

/** Now, by the service's clock, in epoch ms. */
export function now() {
  return Date.now() + state.skew;
}

function later() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    draw();
  });
}
