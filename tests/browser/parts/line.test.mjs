import assert from 'node:assert/strict';
import test, { afterEach } from 'node:test';

import { Line } from '../../../crates/http/assets/client/line.js';
import { Gateway, problem, until } from './gateway.mjs';

const lines = [];
afterEach(() => lines.splice(0).forEach((it) => it.stop()));

/** A line, and what its owner was told. */
function line({ auth = null, idleTimeout = 60_000, event = () => {}, ...start } = {}) {
  const told = { statuses: [], events: [], end: null, asked: 0 };
  const owner = {
    credentials: async () => {
      told.asked += 1;
      return auth ? { ticket: `t${told.asked}` } : {};
    },
    status: (status, reason) => { told.statuses.push(reason ? `${status} ${reason}` : status); },
    event: ({ name }) => {
      told.events.push(name);
      event();
    },
    ended: (reason, of) => { told.end = [reason, of?.status]; },
  };
  const settings = { url: 'http://gateway/base/', tenants: ['a', 'b'], credentials: 'same-origin', auth, idleTimeout };
  lines.push(new Line(settings, start, owner));
  return { told, line: lines.at(-1) };
}

test('a stream is asked for by its base, its tenants and its cursor', async () => {
  const gateway = new Gateway();
  const { told, line: it } = line({ cursor: 'e1-0', since: 'earliest' });
  await until('open', () => told.events.includes('open'));
  assert.equal(gateway.asked[0].url.href, 'http://gateway/base/events?tenant=a&tenant=b&last_event_id=e1-0');
  assert.equal(gateway.asked[0].headers.accept, 'text/event-stream');
  gateway.push();
  await until('a push', () => told.events.includes('message'));
  gateway.cut();
  await until('a second stream', () => gateway.asked.length === 2);
  assert.equal(gateway.asked[1].url.searchParams.get('last_event_id'), `e1-${gateway.seq}`);
  assert.deepEqual(told.statuses.slice(0, 4), ['connecting', 'live', 'waiting ended', 'connecting']);
  it.stop();
  await until('no stream', () => gateway.streams.size === 0);
});

test('what the gateway refuses for good is not asked again', async () => {
  for (const [answer, end] of [
    [problem(403), ['http_403', 403]],
    [problem(404), ['http_404', 404]],
    [problem(401), ['http_401', 401]],
    [problem(400), ['http_400', 400]],
    [new Response(null, { status: 204 }), ['gone', 204]],
  ]) {
    const gateway = new Gateway();
    gateway.answers = [answer];
    const { told } = line();
    await until('an end', () => told.end);
    assert.deepEqual(told.end, end);
    assert.equal(gateway.asked.length, 1);
  }
});

test('all else is tried again', async () => {
  const page = new Response('<p>', { headers: { 'content-type': 'text/html' } });
  const gateway = new Gateway();
  for (const [answer, reason] of [
    [new TypeError('failed to fetch'), 'network'],
    [new Response('no such host', { status: 404 }), 'http_404'],
    [new Response('', { status: 502 }), 'http_502'],
    [problem(429), 'http_429'],
    [problem(503), 'http_503'],
    [page, 'no_stream'],
  ]) {
    gateway.answers = [answer];
    const { told, line: it } = line();
    await until('a pause', () => told.statuses.length === 2);
    assert.equal(told.statuses[1], `waiting ${reason}`);
    it.wake(false);
    await until('a stream', () => told.events.includes('open'));
    it.stop();
  }
});

test('what Retry-After asks for is waited for, whatever wakes the line', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const turn = () => new Promise((resolve) => { setImmediate(resolve); });
  const gateway = new Gateway();
  gateway.answers = [problem(429, { 'retry-after': '30' })];
  const { told, line: it } = line();
  while (told.statuses.length < 2) await turn();
  it.wake(true);
  context.mock.timers.tick(29_900);
  for (let turns = 0; turns < 20; turns += 1) await turn();
  assert.equal(gateway.asked.length, 1);
  context.mock.timers.tick(1200);
  while (gateway.asked.length < 2) await turn();
});

test('a refused ticket is replaced twice, and each attempt has a fresh one', async () => {
  const gateway = new Gateway();
  gateway.answers = [problem(401), problem(401)];
  const good = line({ auth: 'ticket' });
  await until('a stream', () => good.told.events.includes('open'));
  assert.deepEqual(gateway.asked.map(({ url }) => url.searchParams.get('ticket')), ['t1', 't2', 't3']);
  good.line.stop();
  gateway.answers = [problem(401), problem(401), problem(401)];
  const bad = line({ auth: 'ticket' });
  await until('an end', () => bad.told.end);
  assert.deepEqual([bad.told.end, bad.told.asked], [['http_401', 401], 3]);
});

test('a line is kept while it hears heartbeats, and dropped when it is silent', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const gateway = new Gateway();
  const { told } = line({ idleTimeout: 45_000 });
  await until('a stream', () => told.statuses.at(-1) === 'live');
  for (let beats = 1; beats <= 20; beats += 1) {
    gateway.send(':\n\nevent: beat\ndata:\n\n');
    await until('a beat', () => told.events.filter((name) => name === 'beat').length === beats);
    context.mock.timers.tick(15_000);
  }
  assert.equal(gateway.asked.length, 1);
  context.mock.timers.tick(50_000);
  await until('a second stream', () => told.statuses.length === 5);
  assert.deepEqual(told.statuses, ['connecting', 'live', 'waiting silent', 'connecting', 'live']);
});

test('a token is renewed ahead, and a short one does not make the line spin', async (context) => {
  const gateway = new Gateway();
  const { told } = line({ auth: 'token' });
  await until('a stream', () => told.events.includes('open'));
  gateway.send('event: auth-expiring\ndata: {}\n\n');
  gateway.send('event: x\ndata: {}\n\n');
  await until('the next event', () => told.events.includes('x'));
  assert.equal(gateway.asked.length, 1, 'a stream this young is not renewed');
  const real = Date.now;
  context.mock.method(Date, 'now', () => real() + 30_000);
  gateway.send('event: auth-expiring\ndata: {}\n\n');
  await until('a second stream', () => gateway.asked.length === 2 && told.statuses.at(-1) === 'live');
  assert.ok(!told.statuses.some((status) => status.startsWith('waiting')), 'at once');
  assert.equal(told.asked, 2);
});

test('waking drops a line whose clock stood still', async (context) => {
  const gateway = new Gateway();
  const { told, line: it } = line();
  await until('a stream', () => told.statuses.at(-1) === 'live');
  it.wake(false);
  it.wake(true);
  assert.equal(gateway.streams.size, 1, 'a young and lively line is left alone');
  const real = Date.now;
  context.mock.method(Date, 'now', () => real() + 120_000);
  it.wake(false);
  await until('a second stream', () => gateway.asked.length === 2 && told.statuses.at(-1) === 'live');
  assert.ok(!told.statuses.some((status) => status.startsWith('waiting')), 'at once');
});

test('a broken event is no end', async () => {
  const gateway = new Gateway();
  const { told } = line({ event: () => JSON.parse('{') });
  await until('a pause', () => told.statuses.includes('waiting broken_event'));
  assert.deepEqual([told.end, gateway.streams.size], [null, 0]);
});
