// Follows a stream with the npm package `@microsoft/fetch-event-source`, version 2, in a browser or on Node 18 or newer:
//
//     npm install @microsoft/fetch-event-source@2
//     node fetch-event-source.mjs http://127.0.0.1:8080/events/acme
//
// Prints the cursor and the push id of each push. Four things have to be said to this library, or pushes are lost:
//   - `onclose` must throw: it takes the end of a response for the end of all;
//   - `fetch` must send the cursor: the library sends an id as soon as it read the line `id:`, so that a push which a break
//     cuts in two would be skipped;
//   - `onopen` must tell what heals from what does not;
//   - `openWhenHidden` in a browser, or it hangs up whenever the tab is in the background.
import { fetchEventSource } from '@microsoft/fetch-event-source';

// It is written for browsers. On Node these two lines are all that it misses.
globalThis.window ??= globalThis;
globalThis.document ??= { addEventListener() {}, removeEventListener() {} };

const url = process.argv[2];
const token = process.env.PUSHGATE_TOKEN;

class Refused extends Error {}
class Ended extends Error {}

// The cursor of the last event that was handled. Keep it with what you do for a push to resume after a restart of this
// program too.
let cursor = '';
// The last `retry:` of the gateway, in milliseconds: spread, so that not everybody comes back in one moment.
let retry = 3000;

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

try {
  await fetchEventSource(url, {
    openWhenHidden: true,
    fetch: (input, init) => {
      const headers = new Headers(init.headers);
      if (token) headers.set('Authorization', `Bearer ${token}`);
      if (cursor) headers.set('Last-Event-ID', cursor);
      else headers.delete('Last-Event-ID');
      return fetch(input, { ...init, headers });
    },
    async onopen(response) {
      if (response.status === 204) throw new Refused('the tenant was removed');
      const heals = response.status >= 500 || response.status === 408 || response.status === 429;
      if (!response.ok) throw new (heals ? Ended : Refused)(`${response.status} ${await response.text()}`);
      const type = response.headers.get('Content-Type') ?? '';
      if (!type.startsWith('text/event-stream')) throw new Ended(`this is no stream: ${type}`);
    },
    onmessage(event) {
      if (event.retry !== undefined) retry = event.retry;
      // The library calls this at every empty line, also those of comments, which have neither id nor data.
      if (event.event === '' && event.data) handle(JSON.parse(event.data), event.id);
      // Pushes that were asked for and can't be had: what you derived from them has to be loaded anew.
      if (event.event === 'gap') console.error(`gap: ${event.data}`);
      if (event.id) cursor = event.id;
    },
    onclose() {
      throw new Ended('the stream ended');
    },
    onerror(error) {
      if (error instanceof Refused) throw error;
      return retry;
    },
  });
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
