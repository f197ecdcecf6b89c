import { within } from './timing.js';

const WINDOW = 500; // pushes that a page may be sent before it says that it saw them; then it falls behind
const ASK_WITHIN = 10_000; // ms that a tab may take to fetch a ticket; then another tab is asked
const ROOM_WITHIN = 10_000; // ms that a catch-up waits for its page; then another one has its turn

/** One stream of a page, as its hub sees it. */
export class Member {
  #hub; #port;
  #unseen = 0; // what was posted and not seen yet
  #answers = new Map(); // resolves what was asked, by number
  #asked = 0;
  #roomy = null; // resolves who waits for room
  start; // { cursor?, since? } as the page asked
  at = null; // position up to which pushes were posted; null until it is known
  line = null; // the catch-up
  behind = false; // catches up, or waits for its turn to
  missed = false; // was told nothing of a change of states, for want of room
  heard = Date.now();
  gone = new AbortController();

  constructor(hub, port, start) {
    [this.#hub, this.#port, this.start] = [hub, port, start];
  }

  get room() {
    return WINDOW - this.#unseen;
  }

  post(body, weight = 1) {
    this.#unseen += weight;
    this.#port.postMessage(body);
  }

  /** States are dropped when there is no room; their newest is posted when there is. */
  tell(body) {
    if (this.room > 0) this.post(body);
    else this.missed = true;
  }

  receive({ seen = 0, answer, credentials, wake, leave }) {
    this.heard = Date.now();
    this.#unseen -= seen;
    if (answer) this.#answers.get(answer)?.(credentials);
    if (wake) this.#hub.wake(wake === 'network');
    if (leave) this.#hub.leave(this);
    else if (seen > 0 && this.room > 0) {
      this.#roomy?.(true);
      this.#hub.feed(this);
    }
  }

  /** Whether there was room in time. */
  whenRoomy() {
    return within(ROOM_WITHIN, new Promise((resolve) => { this.#roomy = resolve; }));
  }

  /** Credentials from the page's callback; nothing when it has none, or does not answer. */
  async ask() {
    const number = ++this.#asked;
    const answer = new Promise((resolve) => { this.#answers.set(number, resolve); });
    this.post({ ask: number });
    const credentials = await within(ASK_WITHIN, answer);
    this.#answers.delete(number);
    return credentials;
  }
}
