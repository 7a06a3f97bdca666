// Asks the service. Its address is where this file came from, so a proxy may have it below a path of its own.

const PREFIX = new URL('../../../../', import.meta.url);
const TOKEN = 'dispatcher.token';
const PATIENCE = 20_000; // ms for one answer, unless an order takes longer

/** The service answered, and not with what was asked for. */
export class Refused extends Error {
  constructor(status, body) {
    super(body.detail || body.error || `HTTP ${status}`);
    this.status = status;
    this.error = body.error || '';
    this.body = body;
  }
}

/** No answer came, or none that is the service's. */
export class Unreachable extends Error {}

export const token = {
  get: () => sessionStorage.getItem(TOKEN) || '',
  keep: value => sessionStorage.setItem(TOKEN, value),
  forget: () => sessionStorage.removeItem(TOKEN),
};

/** The headers by which the service knows who asks. */
export function headers() {
  const bearer = token.get();
  return {'X-Dispatcher-Page': '1', ...(bearer ? {Authorization: `Bearer ${bearer}`} : {})};
}

/** The address of a path of the service's, with those of the values that are not empty. */
export function address(path, values = {}) {
  const url = new URL(path, PREFIX);
  for (const [name, value] of Object.entries(values)) {
    if (value) url.searchParams.set(name, value);
  }
  return url;
}

/** The service's answer as JSON. Raises Refused or Unreachable. */
export async function ask(path, asked = {}) {
  const {answer, text} = await sent(path, asked);
  let told;
  try {
    told = JSON.parse(text);
  } catch {
    throw new Unreachable(`something else answers there (HTTP ${answer.status}).`);
  }
  if (!answer.ok) throw new Refused(answer.status, told);
  return told;
}

/** The service's answer as text. Raises Refused or Unreachable. */
export async function askText(path, asked = {}) {
  const {answer, text} = await sent(path, asked);
  if (!answer.ok) throw new Refused(answer.status, {});
  return text;
}

async function sent(path, {values, method = 'GET', body, patience = PATIENCE}) {
  try {
    const answer = await fetch(address(path, values), {
      method,
      headers: headers(),
      body: body && JSON.stringify(body),
      cache: 'no-store',
      credentials: 'same-origin',
      signal: AbortSignal.timeout(patience),
    });
    return {answer, text: await answer.text()};
  } catch (error) {
    throw new Unreachable(error.name === 'TimeoutError' ? 'no answer in time.' : 'the connection failed.');
  }
}

/** Where a view of the page is, as a link may have it. */
export function linkTo(view) {
  return address(view).href;
}

/** What of the address names the view: without what a proxy has put before it. */
export function viewOf(location) {
  return location.pathname.slice(PREFIX.pathname.length) + location.search;
}
