// Follows a stream with the npm package `eventsource`, version 3 or newer, on Node 18 or newer:
//
//     npm install eventsource@3
//     node eventsource.mjs http://127.0.0.1:8080/events/acme
//
// Prints the cursor and the push id of each push. The library reconnects by itself, waits as the gateway's `retry:` says,
// and sends the cursor of the last event as Last-Event-ID. That covers breaks and restarts of the gateway; a line that died
// without a word is given up by Node's fetch after five silent minutes. To resume after a restart of this program, keep the
// cursor with what you do for a push, and begin with `?last_event_id=CURSOR`.
import { EventSource } from 'eventsource';

const url = process.argv[2];
const token = process.env.PUSHGATE_TOKEN;

// Unlike a browser's EventSource, this one can send headers: a token needs no ticket.
const withToken = (input, init) =>
  fetch(input, { ...init, headers: { ...init.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) } });

// A push may come twice, if seldom: what it causes must happen once. Here the last push ids are remembered. Where a push
// changes a database, let a unique key on the push id do it, in the same transaction.
const handled = new Set();

function handle(push, cursor) {
  if (handled.has(push.id)) {
    console.error(`again: ${push.id}`);
    return;
  }
  console.log(`${cursor} ${push.id}`);
  handled.add(push.id);
  if (handled.size > 10_000) handled.delete(handled.values().next().value);
}

const source = new EventSource(url, { fetch: withToken });

source.onmessage = (event) => handle(JSON.parse(event.data), event.lastEventId);

// Pushes that were asked for and can't be had: what you derived from them has to be loaded anew.
source.addEventListener('gap', (event) => console.error(`gap: ${event.data}`));

source.onerror = (error) => {
  if (source.readyState !== EventSource.CLOSED) return; // It comes back by itself.
  console.error(error.code === 204 ? 'the tenant was removed' : `refused: ${error.code ?? ''} ${error.message}`);
  process.exitCode = 1;
};
