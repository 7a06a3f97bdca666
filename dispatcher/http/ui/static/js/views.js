// Which view the address names: the whole (`ui`), one room (`ui/rooms/NAME`), one launch (`ui/launches/ID`).

import {linkTo, viewOf} from './server.js';
import {change, state} from './store.js';

/** The room that the address names; '' for none. Any name can stand there, in the path or as `?room=`. */
export function roomIn(path) {
  const [before, query] = [path.split('?')[0], path.includes('?') ? path.slice(path.indexOf('?')) : ''];
  const found = /^ui\/rooms\/(.+)$/.exec(before);
  if (!found) return new URLSearchParams(query).get('room') || '';
  try {
    return decodeURIComponent(found[1]);
  } catch {
    return found[1];
  }
}

/** The launch that the address names; '' for none. */
export function launchIn(path) {
  return /^ui\/launches\/([0-9a-f]+)$/.exec(path)?.[1] || '';
}

/** Show a view; the browser's way back leads to the one before. */
export function go(view) {
  history.pushState(null, '', linkTo(view));
  arrive();
}

/** Take the view from the address; its heading is what a screen reader reads next. */
export function arrive() {
  const path = viewOf(location);
  if (path !== state.path) scrollTo(0, 0);
  change({path, told: ''});
  dispatchEvent(new Event('view'));
  requestAnimationFrame(() => requestAnimationFrame(() => document.querySelector('h1')?.focus({preventScroll: true})));
}

/** Follow the page's own links without loading it again. */
export function followLinks() {
  addEventListener('popstate', arrive);
  document.addEventListener('click', click => {
    const link = click.target.closest?.('a[data-view]');
    if (!link || click.defaultPrevented || click.button || click.metaKey || click.ctrlKey || click.shiftKey || click.altKey) return;
    click.preventDefault();
    go(link.dataset.view);
  });
}
