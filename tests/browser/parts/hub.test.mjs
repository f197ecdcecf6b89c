import assert from 'node:assert/strict';
import test, { afterEach } from 'node:test';

import { Hub } from '../../../crates/http/assets/client/hub.js';
import { Gateway, until } from './gateway.mjs';

const SETTINGS = { url: 'http://gateway/', tenants: ['a'], credentials: 'same-origin', auth: null, idleTimeout: 60_000 };

const present = [];
afterEach(() => present.splice(0).forEach((page) => page.member.receive({ leave: true })));

/** A page at the other end of a port: notes what it gets, and says what it saw unless it is frozen. */
class Page {
  pushes = []; // seqs
  gaps = [];
  opens = [];
  frozen = null; // what was posted meanwhile
  closed = null;
  credentials = { ticket: 't' };
  cursor = null;

  join(hub, start) {
    this.member = hub.join({ postMessage: (body) => this.#posted(structuredClone(body)) }, { start });
    present.push(this);
    return this;
  }

  #posted(body) {
    if (this.frozen) this.frozen.push(body);
    else queueMicrotask(() => this.#receive(body));
  }

  thaw() {
    const posted = this.frozen;
    this.frozen = null;
    posted.forEach((body) => this.#receive(body));
  }

  #receive({ pushes = [], gap, open, cursor, closed, ask }) {
    for (const push of pushes) {
      this.pushes.push(JSON.parse(push.data).seq);
      this.cursor = push.cursor;
    }
    if (gap) this.gaps.push(gap.reason);
    if (open) {
      this.opens.push(open);
      this.cursor = cursor;
    }
    this.closed = closed ?? this.closed;
    if (ask) this.member.receive({ answer: ask, credentials: this.credentials, seen: 1 });
    else this.member?.receive({ seen: pushes.length || 1 });
  }
}

const hubOf = () => new Hub(SETTINGS, () => {});
const last = (page) => page.pushes.at(-1);

test('each page gets what came after its own cursor, once and in order, whatever happens', { timeout: 30_000 }, async () => {
  const random = (below) => Math.floor(Math.random() * below);
  for (let round = 0; round < 15; round += 1) {
    const gateway = new Gateway();
    const hub = hubOf();
    const all = [];
    const pages = [];
    const steps = [];
    const push = (count) => { for (let sent = 0; sent < count; sent += 1) all.push(gateway.push()); };
    const join = async () => {
      const from = all.length === 0 ? -1 : random(all.length);
      const start = from < 0 ? { since: 'earliest' } : { cursor: `e1-${all[from]}` };
      pages.push({ from: from + 1, page: new Page().join(hub, start) });
    };
    const moves = {
      few: () => push(1 + random(5)),
      many: () => push(400 + random(1200)),
      join,
      cut: () => gateway.cut(),
      freeze: () => { if (pages.length > 0) pages[random(pages.length)].page.frozen ??= []; },
      thaw: () => pages.forEach(({ page }) => page.frozen && page.thaw()),
      leave: () => { if (pages.length > 2) pages.splice(random(pages.length), 1)[0].page.member.receive({ leave: true }); },
      turn: () => new Promise((resolve) => { setTimeout(resolve, random(8)); }),
    };
    await join();
    for (let step = 0; step < 40; step += 1) {
      const name = Object.keys(moves)[random(8)];
      steps.push(name);
      await moves[name]();
    }
    moves.thaw();
    for (const { page, from } of pages) await until(`the end of ${steps}`, () => page.pushes.length >= all.length - from);
    for (const { page, from } of pages) {
      assert.deepEqual(page.pushes, all.slice(from), steps.join());
      assert.deepEqual(page.gaps, []);
    }
    await until('one stream', () => gateway.streams.size === 1);
    for (const { page } of pages) page.member.receive({ leave: true });
    assert.equal(gateway.streams.size, 0);
  }
});

test('a page without a cursor begins live, also while another one replays', async () => {
  const gateway = new Gateway();
  for (let sent = 0; sent < 3000; sent += 1) gateway.push();
  const hub = hubOf();
  const replaying = new Page().join(hub, { since: 'earliest' });
  const live = new Page().join(hub, {});
  await until('the replay', () => replaying.pushes.length === 3000);
  const late = new Page().join(hub, {});
  const next = gateway.push();
  await until('the next', () => [replaying, live, late].every((page) => last(page) === next));
  assert.deepEqual([live.pushes, late.pushes], [[next], [next]]);
});

test('one page at a time catches up, beside the connection of all', async () => {
  const gateway = new Gateway();
  const hub = hubOf();
  const first = new Page().join(hub, {});
  await until('open', () => first.opens.length === 1);
  for (let sent = 0; sent < 1500; sent += 1) gateway.push();
  await until('all', () => first.pushes.length === 1500);
  const behind = [0, 1, 2].map(() => new Page().join(hub, { cursor: 'e1-0' }));
  await until('all three', () => behind.every((page) => page.pushes.length === 1500));
  assert.equal(gateway.most, 2);
  assert.equal(gateway.asked.length, 4);
});

test('a page that sees nothing is sent no more than it has room for', async () => {
  const gateway = new Gateway();
  const hub = hubOf();
  const page = new Page().join(hub, {});
  await until('open', () => page.opens.length === 1);
  page.frozen = [];
  for (let sent = 0; sent < 5000; sent += 1) {
    gateway.push();
    gateway.turn('backoff');
  }
  await until('the window', () => page.frozen.length >= 500);
  const seen = new Page().join(hub, {});
  await until('open', () => seen.opens.length === 1);
  assert.ok(page.frozen.length <= 500, page.frozen.length);
  // What it missed of states it is told when it wakes.
  page.thaw();
  await until('all', () => page.pushes.length === 5000);
  assert.equal(page.opens.at(-1).tenants.a.state, 'backoff');
});

test('each page is told of the gaps in what it asked for, and of no others', async () => {
  const gateway = new Gateway();
  const hub = hubOf();
  const following = new Page().join(hub, {});
  await until('open', () => following.opens.length === 1);
  for (let sent = 0; sent < 2000; sent += 1) gateway.push();
  await until('all', () => following.pushes.length === 2000);
  gateway.trim(500);
  const expired = new Page().join(hub, { cursor: 'e1-0' });
  const foreign = new Page().join(hub, { cursor: 'zz-5' });
  const ahead = new Page().join(hub, { cursor: `e1-${gateway.seq + 100}` });
  const atHead = new Page().join(hub, { cursor: `e1-${gateway.seq}` });
  await until('opens', () => [expired, foreign, ahead, atHead].every((page) => page.opens.length > 0));
  await until('replays', () => expired.pushes.length === 1500 && foreign.pushes.length === 1500);
  const next = gateway.push();
  await until('the next', () => [following, expired, foreign, ahead, atHead].every((page) => last(page) === next));
  const gaps = [following, expired, foreign, ahead, atHead].map((page) => page.gaps);
  assert.deepEqual(gaps, [[], ['expired'], ['unknown'], ['ahead'], []]);
  assert.deepEqual(ahead.pushes, [next]);
});

test('a gap amid a stream is told to those who are behind it, too', async () => {
  const gateway = new Gateway();
  const hub = hubOf();
  const following = new Page().join(hub, {});
  const frozen = new Page().join(hub, {});
  await until('open', () => following.opens.length === 1 && frozen.opens.length === 1);
  frozen.frozen = [];
  for (let sent = 0; sent < 700; sent += 1) gateway.push();
  await until('all', () => following.pushes.length === 700);
  // Retention overtakes the stream.
  const requested = `e1-${gateway.seq}`;
  Object.assign(gateway, { seq: gateway.seq + 5, trimmed: gateway.seq + 5, kept: [] });
  gateway.send(`event: gap\ndata: {"reason":"expired","requested":"${requested}","oldest":null}\n\n`);
  const next = gateway.push();
  await until('the next', () => last(following) === next);
  frozen.thaw();
  await until('the same', () => last(frozen) === next);
  assert.deepEqual([following.gaps, frozen.gaps], [['expired'], ['expired']]);
});

test('a new life of the journal is told to all, and followed by all', async () => {
  const gateway = new Gateway();
  const hub = hubOf();
  const page = new Page().join(hub, {});
  const frozen = new Page().join(hub, {});
  await until('open', () => page.opens.length === 1 && frozen.opens.length === 1);
  frozen.frozen = [];
  for (let sent = 0; sent < 1000; sent += 1) gateway.push();
  await until('all', () => page.pushes.length === 1000);
  Object.assign(gateway, { epoch: 'e2', kept: [], seq: 0 });
  gateway.cut();
  const first = gateway.push();
  await until('the first of the new life', () => last(page) === first && page.gaps.length === 1);
  frozen.thaw();
  await until('the same', () => last(frozen) === first && frozen.gaps.length === 1);
  assert.deepEqual([page.gaps, frozen.gaps], [['unknown'], ['unknown']]);
  const second = gateway.push();
  await until('the second', () => last(page) === second && last(frozen) === second);
});

test('a page whose ticket fails is passed over, and an end is told to all', async () => {
  const gateway = new Gateway();
  const hub = new Hub({ ...SETTINGS, auth: 'ticket' }, () => {});
  const first = new Page().join(hub, {});
  const second = new Page().join(hub, {});
  second.credentials = null;
  second.member.receive({});
  await until('open', () => first.opens.length === 1 && second.opens.length === 1);
  assert.equal(gateway.asked[0].url.searchParams.get('ticket'), 't');
  gateway.answers = [new Response(null, { status: 204 })];
  gateway.cut();
  await until('an end', () => first.closed && second.closed);
  assert.deepEqual([first.closed, second.closed], ['gone', 'gone']);
});
