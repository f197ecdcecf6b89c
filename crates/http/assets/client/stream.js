import { cursorOf, position } from './position.js';
import { PushgateError, problemOf } from './problem.js';
import { hubs } from './serve.js';
import { alone, elected, hold, shared } from './tabs.js';
import { unique } from './timing.js';

const IDLE = 45_000; // ms without a byte after which a line counts as dead; the gateway's heartbeat is 15 s
const NAMED = ['upstream', 'auth-expiring', 'auth-expired', 'shutdown', 'tenant-removed'];

/** What a page holds. */
export class PushStream extends EventTarget {
  #options; #settings; #key; #store; #start;
  #at = null; // position of the last push that listeners got, or of where the stream began
  #status = 'connecting';
  #port = null;
  #detach = null; // while there is a way to a hub, or one is sought
  #listening = new AbortController();

  constructor(options) {
    super();
    const { url = new URL('.', import.meta.url), tenants, since, withCredentials = false, idleTimeout = IDLE } = options;
    if (!Array.isArray(tenants) || tenants.length === 0) throw new TypeError('connect() needs at least one tenant');
    const base = new URL(url, location.href);
    if (!base.pathname.endsWith('/')) base.pathname += '/';
    const auth = options.token ? 'token' : options.ticket ? 'ticket' : null;
    const credentials = withCredentials ? 'include' : 'same-origin';
    this.#options = options;
    this.#settings = { url: base.href, tenants: [...new Set(tenants)].sort(), auth, credentials, idleTimeout };
    // Streams of the same settings share a connection, unless their scopes differ.
    this.#key = JSON.stringify([this.#settings, options.scope ?? null]);
    this.#store = storeOf(options.storage, `pushgate/${base.href}?${this.#settings.tenants}`);
    this.#at = position(this.#store.get());
    const text = since instanceof Date ? since.toISOString() : since;
    this.#start = position(text) ? { cursor: text } : { since: text };
    this.#listen();
    this.#attach();
  }

  /** The cursor of the last push that listeners got, or of where the stream began; null before that is known. */
  get cursor() {
    return this.#at && cursorOf(this.#at);
  }

  /** `connecting`, `live`, `waiting` or `closed`. */
  get status() {
    return this.#status;
  }

  /** Ends the stream for good. The cursor stays in the storage. */
  close() {
    this.#close('closed');
  }

  /** This subscriber's word about a push: `done`, or `already` where it has its answer. */
  async confirm({ tenant, id }, status = 'ack') {
    const path = `tenants/${encodeURIComponent(tenant)}/pushes/${encodeURIComponent(id)}/ack`;
    const { headers } = this.#settings.auth === 'token' ? await this.#credentials() : {};
    const { credentials, url } = this.#settings;
    const body = JSON.stringify({ status });
    const response = await fetch(new URL(path, url), { method: 'POST', body, headers, credentials, keepalive: true });
    if (response.status === 204) return 'done';
    if (response.status === 409) return 'already';
    throw new PushgateError(await problemOf(response));
  }

  // -- Its way to a hub --

  #listen() {
    const on = (target, name, handler) => target?.addEventListener(name, handler, { signal: this.#listening.signal });
    const { document } = globalThis;
    on(globalThis, 'online', () => this.#wake('network'));
    on(document, 'visibilitychange', () => document.visibilityState === 'visible' && this.#wake('visible'));
    // A page that is put aside for the back button leaves, and comes again by its cursor; so does one that is frozen while
    // others depend on it. Of one that only listens the hub keeps the place.
    on(globalThis, 'pagehide', () => this.#leave());
    on(globalThis, 'pageshow', () => this.#attach());
    on(document, 'freeze', () => hubs.has(this.#key) && this.#leave());
    on(document, 'resume', () => this.#attach());
  }

  #wake(why) {
    this.#port?.postMessage({ wake: why });
  }

  #attach() {
    if (this.#status === 'closed') return;
    if (this.#detach) {
      this.#wake('visible');
      return;
    }
    const held = hold(`pushgate/member/${unique()}`);
    const use = (port) => this.#join(port, held.name);
    const away = this.#seek(use);
    this.#detach = () => {
      away();
      held.release();
    };
  }

  /** The best way that this page has. */
  #seek(use) {
    const { worker = import.meta.url, share = true } = this.#options;
    const elect = () => (globalThis.BroadcastChannel && navigator.locks
      ? elected(`pushgate/${PROTOCOL}/${this.#key}`, use) : alone(use));
    if (!share) return alone(use);
    // A bundler may have put this module into a file with the page's own code, which is not for a worker to run.
    const url = worker && new URL(worker, location.href);
    const fits = url && url.origin === location.origin && (this.#options.worker || url.pathname.endsWith('/client.js'));
    try {
      return globalThis.SharedWorker && fits ? shared(url, use, elect) : elect();
    } catch {
      return elect();
    }
  }

  async #join(port, name) {
    this.#port = port;
    const lock = await name;
    if (this.#port !== port) return;
    port.onmessage = ({ data }) => this.#port === port && this.#receive(data);
    const start = this.#at ? { cursor: this.cursor } : this.#start;
    port.postMessage({ join: { key: this.#key, settings: this.#settings, start, lock } });
  }

  #leave() {
    this.#port?.postMessage({ leave: true });
    this.#port = null;
    this.#detach?.();
    this.#detach = null;
  }

  // -- What the hub says --

  #receive({ status, reason, open, cursor, gap, pushes, event, data, ask, closed, problem }) {
    if (closed) this.#close(closed, problem);
    else if (ask) this.#answer(ask);
    else if (pushes) this.#dispatchAll(pushes);
    else if (gap) this.#dispatch('gap', gap);
    else if (status) this.#tell(status, reason);
    else if (event) this.#named(event, data);
    else if (open) {
      this.#keep(position(cursor));
      this.#dispatch('open', { ...open, cursor });
    }
    this.#port?.postMessage({ seen: pushes?.length ?? 1 });
  }

  /** The cursor moves on once the listeners have returned: what they did not get comes again. */
  #dispatchAll(pushes) {
    for (const { cursor, data } of pushes) {
      const at = position(cursor);
      if (!this.#port) return;
      if (this.#at?.epoch === at.epoch && this.#at.seq >= at.seq) continue;
      this.#dispatch('push', { ...JSON.parse(data), cursor });
      this.#keep(at);
    }
  }

  #keep(at) {
    this.#at = at;
    this.#store.set(cursorOf(at));
  }

  #named(name, data) {
    let detail = data;
    try {
      detail = JSON.parse(data);
    } catch { /* text, then */ }
    if (NAMED.includes(name)) this.#dispatch(name, detail);
    else this.#dispatch('event', { name, data: detail });
  }

  async #answer(ask) {
    const port = this.#port;
    const credentials = await this.#credentials().catch(() => null);
    port.postMessage({ answer: ask, credentials });
  }

  async #credentials() {
    const { token, ticket } = this.#options;
    const value = await (token ?? ticket)();
    if (typeof value !== 'string' || value === '') throw new TypeError('the callback gave no text');
    return token ? { headers: { authorization: `Bearer ${value}` } } : { ticket: value };
  }

  #close(reason, problem) {
    if (this.#status === 'closed') return;
    this.#listening.abort();
    this.#leave();
    if (problem) this.#dispatch('error', new PushgateError(problem));
    this.#tell('closed', reason);
  }

  #tell(status, reason) {
    this.#status = status;
    this.#dispatch('status', { status, reason });
  }

  #dispatch(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** Where the cursor is kept; nowhere when the page may not, or does not want to, keep anything. */
function storeOf(kind = 'session', key) {
  try {
    const storage = { session: () => sessionStorage, local: () => localStorage }[kind]();
    return { get: () => storage.getItem(key), set: (text) => storage.setItem(key, text) };
  } catch {
    return { get: () => null, set() {} };
  }
}

/** Follows the pushes of tenants. `client.d.ts` has the options and the events. */
export function connect(options) {
  return new PushStream(options);
}
