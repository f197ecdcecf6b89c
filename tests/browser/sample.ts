// What the types of client.js have to allow, and what they have to refuse.

import { PushgateError, connect, type Gap, type Push, type PushStream } from '../../crates/http/assets/client.js';

const stream: PushStream = connect({
  tenants: ['acme'],
  url: new URL('https://push.example.com/base/'),
  since: new Date(),
  storage: 'local',
  ticket: async () => 'ticket',
  token: () => 'token',
  withCredentials: true,
  idleTimeout: 60_000,
  scope: 'somebody',
  share: true,
  worker: false,
});

stream.addEventListener('push', async ({ detail }) => {
  const push: Push = detail;
  const text: string = `${push.title} ${push.body} ${push.seq.toFixed()} ${push.cursor}`;
  document.body.append(text);
  const word: 'done' | 'already' = await stream.confirm(push, 'nack');
  console.log(word);
});
stream.addEventListener('open', ({ detail }) => console.log(detail.tenants['acme']?.state === 'connected', detail.cursor));
stream.addEventListener('gap', ({ detail }: CustomEvent<Gap>) => console.log(detail.reason, detail.oldest?.length));
stream.addEventListener('upstream', ({ detail }) => console.log(detail.tenant, detail.state, detail.reason));
stream.addEventListener('status', ({ detail: { status, reason } }) => console.log(status === 'waiting', reason));
stream.addEventListener('error', ({ detail }) => console.log(detail instanceof PushgateError && detail.status === 403));
stream.addEventListener('tenant-removed', ({ detail }) => console.log(detail.tenant), { once: true });
stream.addEventListener('event', ({ detail }) => console.log(detail.name, detail.data));
const cursor: string | null = stream.cursor;
console.log(cursor, stream.status === 'live');
stream.close();

// @ts-expect-error: tenants are needed
connect({});
// @ts-expect-error: there is no such word
void stream.confirm({ tenant: 'acme', id: 'x' }, 'maybe');
// @ts-expect-error: there is no such event
stream.addEventListener('pushes', ({ detail }) => console.log(detail));
// @ts-expect-error: a push has no such key
stream.addEventListener('push', ({ detail }) => console.log(detail.text));
// @ts-expect-error: the cursor is the stream's own
stream.cursor = 'x-1';
