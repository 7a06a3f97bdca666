// The one place that knows how HTML is made: Preact, by htm's templates. Text is always text, never HTML.

import {Component, h, render} from '../vendor/preact.mjs';
import htm from '../vendor/htm.mjs';

export const html = htm.bind(h);
export {Component, render};

/** A component that is made anew only when one of its values is another one. */
export function kept(view) {
  return class extends Component {
    shouldComponentUpdate(next) {
      const before = this.props;
      const names = new Set([...Object.keys(before), ...Object.keys(next)]);
      return [...names].some(name => name !== 'children' && before[name] !== next[name]);
    }

    render(values) {
      return view(values);
    }
  };
}
