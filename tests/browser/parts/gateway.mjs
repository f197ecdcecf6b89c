// A gateway in memory, as far as `fetch` can tell, for tests of the parts that need no browser.

const encoder = new TextEncoder();

/** Waits until something holds; asks at each turn of the loop. */
export async function until(what, holds) {
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    if (holds()) return;
    await new Promise((resolve) => { setTimeout(resolve, 1); });
  }
  throw new Error(`waited in vain for ${what}`);
}

export function problem(status, headers = {}) {
  const body = JSON.stringify({ type: `urn:problem-type:pushgate:${status}`, title: 'No', status });
  return new Response(body, { status, headers: { 'content-type': 'application/problem+json', ...headers } });
}

export class Gateway {
  epoch = 'e1';
  kept = []; // { seq, text }
  seq = 0; // the newest position
  trimmed = 0; // all up to it were trimmed
  state = 'connected'; // of the tenant's connection
  streams = new Set();
  most = 0; // streams that were open at the same time
  asked = []; // the URLs of all requests
  answers = []; // what the next requests are answered, instead of a stream

  constructor() {
    globalThis.fetch = (url, options) => this.#fetch(url, options);
  }

  push() {
    this.seq += 1 + Math.floor(Math.random() * 3); // other tenants' pushes lie in between
    this.kept.push({ seq: this.seq, text: `id: ${this.epoch}-${this.seq}\ndata: {"seq":${this.seq}}\n\n` });
    for (const stream of this.streams) stream.send(this.kept.at(-1).text);
    return this.seq;
  }

  trim(count) {
    const gone = this.kept.splice(0, count);
    this.trimmed = Math.max(this.trimmed, gone.at(-1)?.seq ?? 0);
  }

  send(text) {
    for (const stream of this.streams) stream.send(text);
  }

  /** The tenant's connection changes. */
  turn(state) {
    this.state = state;
    this.send(`event: upstream\ndata: {"tenant":"a","state":"${state}"}\n\n`);
  }

  /** All streams end. */
  cut() {
    for (const stream of [...this.streams]) stream.end();
  }

  async #fetch(url, { signal, headers }) {
    this.asked.push({ url, headers });
    const answer = this.answers.shift();
    if (answer instanceof Error) throw answer;
    if (answer) return answer;
    const body = new ReadableStream({ start: (controller) => this.#open(url, controller, signal) });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  }

  #open(url, controller, signal) {
    const stream = {
      send: (text) => this.streams.has(stream) && controller.enqueue(encoder.encode(text)),
      end: () => this.streams.delete(stream) && controller.close(),
    };
    this.streams.add(stream);
    this.most = Math.max(this.most, this.streams.size);
    signal.addEventListener('abort', () => this.streams.delete(stream) && controller.error(signal.reason));
    const cursor = url.searchParams.get('last_event_id');
    let start = url.searchParams.get('since') === 'earliest' ? 0 : this.seq;
    let gap = null;
    if (cursor) {
      const [epoch, seq] = cursor.split('-');
      start = Number(seq);
      if (epoch !== this.epoch) [gap, start] = ['unknown', 0];
      else if (start < this.trimmed) gap = 'expired';
      else if (start > this.seq) [gap, start] = ['ahead', this.seq];
    }
    start = Math.max(start, this.trimmed);
    const at = (push) => (push ? `"${this.epoch}-${push.seq}"` : 'null');
    let text = ':ok\nretry: 1\n\n';
    if (gap) text += `event: gap\ndata: {"reason":"${gap}","requested":"${cursor}","oldest":${at(this.kept[0])}}\n\n`;
    text += `id: ${this.epoch}-${start}\nevent: open\ndata: {"epoch":"${this.epoch}","oldest":${at(this.kept[0])},`
      + `"newest":${at(this.kept.at(-1))},"tenants":{"a":{"state":"${this.state}"}}}\n\n`;
    for (const push of this.kept) if (push.seq > start) text += push.text;
    stream.send(text);
  }
}
