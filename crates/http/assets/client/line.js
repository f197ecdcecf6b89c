import { Parser } from './parser.js';
import { isProblem, problemOf } from './problem.js';
import { within } from './timing.js';

const RETRY = 2000; // ms until the next attempt, where the gateway has not said
const RETRY_MAX = 30_000; // ms between two attempts at most, unless Retry-After asks for more
const AFTER_MAX = 3600_000; // ms of a Retry-After that are believed
const RENEW_AFTER = 10_000; // ms that a stream has to live before it is renewed early; else a short token would make it spin
const SETTLED = 5000; // ms within which a new attempt is not disturbed by news of the network

// All that `fetch` says of a network that failed is a TypeError.
const REASONS = { TypeError: 'network', SyntaxError: 'broken_event' };

/**
 * A connection that comes back by itself. Its owner has `credentials()`, `event({ name, data, id })`, which may return a
 * promise to be waited for, `status(status, reason)`, and `ended(reason, problem)`, after which the line is no more.
 */
export class Line {
  #settings; #owner; #cursor; #since;
  #stopped = false;
  #abort = new AbortController();
  #dialled = 0; // when this attempt began
  #heard = 0; // when its last byte came
  #rouse = null; // ends the pause before the next attempt
  #asked = false; // this pause is what the gateway, or a proxy, asked for by Retry-After
  #retry = RETRY;
  #failures = 0; // attempts in a row that brought no `open`
  #refused = 0; // attempts in a row that were answered 401

  constructor(settings, { cursor, since }, owner) {
    [this.#settings, this.#owner, this.#cursor, this.#since] = [settings, owner, cursor, since];
    this.#run();
  }

  stop() {
    this.#stopped = true;
    this.#abort.abort();
    this.#rouse?.();
  }

  /** The page became visible, or the network came back: an attempt that waits begins, a line that may be dead is dropped. */
  wake(network) {
    if (this.#rouse) {
      if (!this.#asked) this.#rouse();
    } else if (this.#silent() || (network && Date.now() - this.#dialled > SETTLED)) this.#abort.abort(new Error('woken'));
  }

  // By the wall clock, which goes on while the machine sleeps.
  #silent() {
    return Date.now() - this.#heard > this.#settings.idleTimeout;
  }

  async #run() {
    // A new line's owner has to be ready for its calls.
    await null;
    while (!this.#stopped) {
      this.#owner.status('connecting', null);
      const { end, problem, reason, after, asked = false } = await this.#attempt();
      if (this.#stopped) return;
      if (end) {
        this.#stopped = true;
        this.#owner.ended(end, problem);
        return;
      }
      this.#asked = asked;
      await this.#pause(reason, after ?? this.#backoff());
    }
  }

  /** What the gateway asked for, jittered by it; from the second failure in a row on longer, jittered here. */
  #backoff() {
    if (this.#failures < 2) return this.#retry;
    return Math.min(RETRY_MAX, this.#retry * 2 ** (this.#failures - 1)) * (0.5 + Math.random() / 2);
  }

  async #pause(reason, ms) {
    if (ms === 0) return;
    this.#owner.status('waiting', reason);
    await within(ms, new Promise((resolve) => { this.#rouse = resolve; }));
    this.#rouse = null;
  }

  async #attempt() {
    const abort = this.#abort = new AbortController();
    const { idleTimeout } = this.#settings;
    this.#failures += 1;
    this.#dialled = this.#heard = Date.now();
    let watchdog;
    try {
      const credentials = await this.#owner.credentials();
      this.#heard = Date.now();
      watchdog = setInterval(() => this.#silent() && abort.abort(new Error('silent')), Math.min(5000, idleTimeout / 4));
      abort.signal.throwIfAborted();
      const response = await fetch(this.#url(credentials), {
        headers: { accept: 'text/event-stream', ...credentials.headers },
        credentials: this.#settings.credentials,
        cache: 'no-store',
        signal: abort.signal,
      });
      this.#heard = Date.now();
      const isStream = (response.headers.get('content-type') ?? '').startsWith('text/event-stream');
      return response.status === 200 && isStream ? await this.#read(response.body) : await this.#refusal(response);
    } catch (error) {
      const reason = abort.signal.aborted ? abort.signal.reason.message : REASONS[error.name] ?? error.message;
      return { reason, after: reason === 'woken' ? 0 : undefined };
    } finally {
      clearInterval(watchdog);
      abort.abort();
    }
  }

  #url({ ticket }) {
    const url = new URL('events', this.#settings.url);
    for (const tenant of this.#settings.tenants) url.searchParams.append('tenant', tenant);
    // In the query, because a header would cost each attempt across origins a preflight.
    if (this.#cursor) url.searchParams.set('last_event_id', this.#cursor);
    else if (this.#since) url.searchParams.set('since', this.#since);
    if (ticket) url.searchParams.set('ticket', ticket);
    return url;
  }

  async #read(body) {
    const parser = new Parser();
    const reader = body.getReader();
    let told = 'ended';
    this.#refused = 0;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return { reason: told, after: told === 'auth-expired' ? 0 : undefined };
      this.#heard = Date.now();
      for (const event of parser.feed(value)) {
        if (event.name === 'open') {
          this.#failures = 0;
          this.#owner.status('live', null);
        }
        const room = this.#owner.event(event);
        if (event.id) this.#cursor = event.id;
        if (room) await room;
        this.#heard = Date.now();
        if (this.#stopped) return {};
        if (event.name === 'shutdown' || event.name === 'auth-expired') told = event.name;
        if (event.name === 'auth-expiring' && this.#renewable()) return { reason: event.name, after: 0 };
      }
      this.#retry = parser.retry ?? this.#retry;
    }
  }

  #renewable() {
    return this.#settings.auth && Date.now() - this.#dialled > RENEW_AFTER;
  }

  /** Only what the gateway itself says for good is for good; a proxy's 404 in the midst of a deploy is not. */
  async #refusal(response) {
    const ours = isProblem(response);
    const problem = await problemOf(response);
    const { status } = problem;
    if (status === 204) return { end: 'gone', problem: { ...problem, title: 'The tenants were removed' } };
    if (status === 401 && this.#settings.auth && this.#refused < 2) {
      this.#refused += 1;
      return { reason: 'http_401', after: 0 };
    }
    if (status === 401 || (ours && status >= 400 && status < 500 && ![408, 425, 429].includes(status))) {
      return { end: `http_${status}`, problem };
    }
    const text = response.headers.get('retry-after') ?? '';
    const ms = Math.min(AFTER_MAX, /^\d+$/.test(text) ? text * 1000 : Date.parse(text) - Date.now());
    const asked = ms > 0;
    const after = asked ? ms + Math.random() * 1000 : undefined;
    return { reason: status === 200 ? 'no_stream' : `http_${status}`, after, asked };
  }
}
