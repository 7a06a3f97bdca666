// Times, numbers and names as people read them.

const NUMBER = new Intl.NumberFormat(undefined);

/** A span of ms: 0.32 s, 42 s, 3 min 12 s, 2 h 5 min, 3 d 4 h. */
export function span(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 1) return `${s.toFixed(2)} s`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return pair(s, 60, 'min', 1, 's');
  if (s < 86_400) return pair(s, 3600, 'h', 60, 'min');
  return pair(s, 86_400, 'd', 3600, 'h');
}

function pair(s, large, name, small, other) {
  const rest = Math.floor((s % large) / small);
  return `${Math.floor(s / large)} ${name}${rest ? ` ${rest} ${other}` : ''}`;
}

/** An age in whole seconds: for what is shown anew each second. */
export function age(ms) {
  return ms < 60_000 ? `${Math.max(0, Math.floor(ms / 1000))} s` : span(ms);
}

/** An instant's time of day, and its day where that is another one; in UTC, as the log and the commands have it. */
export function clock(at) {
  const [day, time] = new Date(at).toISOString().split('T');
  const today = new Date().toISOString().startsWith(day);
  return `${today ? '' : `${day} `}${time.slice(0, 8)} UTC`;
}

export function number(count) {
  return NUMBER.format(count);
}

/** One room, two rooms. */
export function count(many, one, several = `${one}s`) {
  return `${number(many)} ${many === 1 ? one : several}`;
}

const SHORT = {'\n': '\\n', '\r': '\\r', '\t': '\\t'};

/** A name as it may be shown: what has no shape of its own is written out, as the commands do. */
export function visible(text) {
  return String(text ?? '').replace(/(?! )[\p{C}\p{Z}]/gu, one => {
    if (SHORT[one]) return SHORT[one];
    const code = one.codePointAt(0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : code.length <= 4 ? `\\u${code.padStart(4, '0')}` : `\\U${code.padStart(8, '0')}`;
  });
}

/** A name as one part of a path. */
export function quoted(name) {
  return encodeURIComponent(name.toWellFormed ? name.toWellFormed() : name);
}

/** Whether a browser can send the name as a part of a path: it takes these for other folders. */
export function fitsPath(name) {
  return name !== '.' && name !== '..' && name !== '';
}

/** Where the page shows a room. */
export function roomView(name) {
  return fitsPath(name) ? `ui/rooms/${quoted(name)}` : `ui/rooms?room=${quoted(name)}`;
}
