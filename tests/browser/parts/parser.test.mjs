import assert from 'node:assert/strict';
import test from 'node:test';

import { Parser } from '../../../crates/http/assets/client/parser.js';

const encoder = new TextEncoder();

function parse(pieces) {
  const parser = new Parser();
  const events = pieces.flatMap((piece) => [...parser.feed(piece)]);
  return { events, retry: parser.retry };
}

const STREAM = '\ufeff:ok\nretry: 1500\n\nid: e-1\r\nevent: open\r\ndata: {"a":\r\ndata:  1}\r\n\r\n'
  + 'id: e-2\rdata: Grüße 🎉\r\rid: no\0ne\ndata\ndata:x:y\nretry: 1e3\nbogus: 1\n\n:\n\nevent: nothing\n\ndata: cut';
const EVENTS = [
  { name: 'open', data: '{"a":\n 1}', id: 'e-1' },
  { name: 'message', data: 'Grüße 🎉', id: 'e-2' },
  { name: 'message', data: '\nx:y', id: null },
];

test('a stream reads the same in whatever pieces it comes', () => {
  const bytes = encoder.encode(STREAM);
  for (let size = 1; size <= bytes.length; size += 1) {
    const pieces = [];
    for (let from = 0; from < bytes.length; from += size) pieces.push(bytes.subarray(from, from + size));
    assert.deepEqual(parse(pieces), { events: EVENTS, retry: 1500 }, `in pieces of ${size}`);
  }
});

test('an event without end is given up', () => {
  const piece = new Uint8Array(8 << 20).fill(120);
  const parser = new Parser();
  assert.throws(() => {
    for (let fed = 0; fed < 16; fed += 1) [...parser.feed(piece)];
  }, /event_too_long/);
});
