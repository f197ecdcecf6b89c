// A browser's side of Pushgate's streams: one connection for all tabs of an origin, resumed by cursor, nothing lost.
//
//   import { connect } from 'https://push.example.com/client.js';
//   const stream = connect({ tenants: ['acme'] });
//   stream.addEventListener('push', ({ detail }) => show(detail));
//
// Who does what: a `PushStream` is what the page holds. It speaks through a port with a `Hub`, which shares one
// connection, its `Line`, among its `Member`s, one for each stream of a page. The hub lives in a SharedWorker (this same
// file); else in the tab that holds a Web Lock, and the others reach it through a BroadcastChannel; else in each tab.
//
// A member is a position in the log, as a subscriber is to the gateway. The hub keeps the newest pushes. Whoever is behind
// them, because its cursor is old or its tab was frozen, reads what it missed from a stream of its own until it is back among
// them; one at a time does so. So each page gets every push after its own cursor, once and in order, however late it comes,
// and no tab makes another wait.

/** Raised when pages and workers of two versions would not understand each other. */
export const PROTOCOL = 1;
