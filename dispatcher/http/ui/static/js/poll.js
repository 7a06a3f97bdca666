// Asks again and again, one asking at a time: in a while by itself, sooner where somebody says so.

import {Refused, token} from './server.js';
import {change, signedOut, state} from './store.js';

const APART = 1_000; // ms between two askings at least: a thousand events a second are one, too

export class Poll {
  /** `ask` asks once and hands what it learns to what it is given; `pause`: ms until it is asked again. */
  constructor(ask, pause) {
    this.ask = ask;
    this.pause = pause;
    this.stop = new AbortController();
    this.due = 0;
    this.timer = 0;
    this.asking = false;
    this.again = false;
    this.askedAt = 0;
  }

  /** Begin: the user may ask. What is begun with the signal ends with it. */
  begin() {
    this.stop.abort();
    this.stop = new AbortController();
    const {signal} = this.stop;
    addEventListener('view', () => this.soon(0), {signal});
    document.addEventListener('visibilitychange', () => document.hidden || this.soon(0), {signal});
    this.soon(0);
    return signal;
  }

  end() {
    this.stop.abort();
    clearTimeout(this.timer);
  }

  /** Ask anew in so many ms, or sooner where that was said before. */
  soon(ms) {
    if (this.asking) {
      this.again = true;
      return;
    }
    const at = Math.max(Date.now() + ms, this.askedAt + (ms ? APART : 0));
    if (this.due && this.due <= at) return;
    clearTimeout(this.timer);
    this.due = at;
    this.timer = setTimeout(() => this.#once(), at - Date.now());
  }

  async #once() {
    this.due = 0;
    if (document.hidden && this.askedAt) return; // it is asked once somebody looks
    this.asking = true;
    this.askedAt = Date.now();
    const {signal} = this.stop;
    try {
      const tell = news => signal.aborted || change(news); // who has signed out is shown nothing more
      await this.ask(tell);
      tell({failing: null, freshAt: Date.now()});
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
    } finally {
      this.asking = false;
      const wait = this.again ? APART : this.pause();
      this.again = false;
      if (!this.stop.signal.aborted) this.soon(wait); // it may be another user's by now
    }
  }

  #failed(error) {
    if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
      this.end();
      const bearer = token.get();
      token.forget();
      signedOut(bearer ? 'The service does not take this token any more.' : '');
      return;
    }
    const answers = error instanceof Refused;
    const why = answers ? error.body.troubles?.[0]?.sentence || error.message : error.message;
    change({failing: {since: state.failing?.since || Date.now(), why, answers}});
  }
}
