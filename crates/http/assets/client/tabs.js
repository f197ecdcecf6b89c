import { PROTOCOL } from './protocol.js';
import { serve } from './serve.js';
import { unique } from './timing.js';

const WORKER_WITHIN = 10_000; // ms until a worker that says nothing is done without

/** In this page. */
export function alone(use) {
  const { port1, port2 } = new MessageChannel();
  serve(port2);
  use(port1);
  return () => port1.close();
}

/** In a SharedWorker; `otherwise` where there is none, because the browser, the page's policy or a proxy does not let it. */
export function shared(url, use, otherwise) {
  const worker = new SharedWorker(url, { type: 'module', name: `pushgate/${PROTOCOL}` });
  const { port } = worker;
  let undo = () => settle(() => port.close());
  const settle = (done) => {
    clearTimeout(timer);
    [worker.onerror, port.onmessage] = [null, null];
    undo = done();
  };
  const giveUp = () => settle(() => {
    port.close();
    return otherwise();
  });
  const timer = setTimeout(giveUp, WORKER_WITHIN);
  worker.onerror = giveUp;
  port.onmessage = () => settle(() => {
    use(port);
    return () => port.close();
  });
  return () => undo();
}

/**
 * In the page that holds the lock of this name; the next in the queue for the lock leads when that page goes. The others reach
 * it through a channel, each by numbered ports of its own, so that no word of a former leader is taken for the present one's.
 */
export function elected(name, use) {
  const me = unique();
  const channel = new BroadcastChannel(name);
  const leave = new AbortController();
  const followers = new Map(); // ports by number, where this page leads
  let resign = null; // where this page leads
  let mine = null; // the port to the page that leads
  const hail = (to) => channel.postMessage({ hail: true, from: me, to });

  const follow = (from) => {
    if (from === mine?.leader) return;
    const number = unique();
    mine = { leader: from, number, postMessage: (body) => channel.postMessage({ to: from, from: me, number, body }) };
    use(mine);
  };
  const lead = ({ from, number, body }) => {
    if (body.join) {
      const port = { postMessage: (answer) => channel.postMessage({ to: from, from: me, number, body: answer }) };
      followers.set(number, port);
      serve(port);
    }
    followers.get(number)?.onmessage({ data: body });
    if (body.leave) followers.delete(number);
  };
  channel.onmessage = ({ data }) => {
    if (data.to && data.to !== me) return;
    if (data.hail) follow(data.from);
    else if (data.who) resign && hail(data.from);
    else if (resign) lead(data);
    else if (data.number === mine?.number) mine.onmessage?.({ data: data.body });
  };
  navigator.locks.request(name, { signal: leave.signal }, () => new Promise((resolve) => {
    const end = alone(use);
    resign = () => {
      end();
      for (const port of followers.values()) port.onmessage({ data: { leave: true } });
      resolve();
    };
    hail();
  })).catch((error) => {
    // Locks are not for every page: one in a sandbox has none.
    if (error.name !== 'AbortError') resign = alone(use);
  });
  channel.postMessage({ who: true, from: me });
  return () => {
    leave.abort();
    resign?.();
    channel.close();
  };
}

/** A lock that is held as long as this page lives, so that others learn of its end; its name, once it is. */
export function hold(lock) {
  let release = () => {};
  const until = new Promise((resolve) => { release = resolve; });
  const name = new Promise((resolve) => {
    const held = () => {
      resolve(lock);
      return until;
    };
    if (navigator.locks) navigator.locks.request(lock, held).catch(() => resolve(null));
    else resolve(null);
  });
  return { name, release };
}
