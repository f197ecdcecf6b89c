import { Hub } from './hub.js';

export const hubs = new Map(); // of this worker or page, by key

/** Takes a page at the other end of a port. */
export function serve(port) {
  let member = null;
  port.onmessage = ({ data }) => {
    if (!data.join) {
      member?.receive(data);
      return;
    }
    const { key, settings } = data.join;
    if (!hubs.has(key)) hubs.set(key, new Hub(settings, () => hubs.delete(key)));
    member = hubs.get(key).join(port, data.join);
  };
}

if (globalThis.SharedWorkerGlobalScope && globalThis instanceof SharedWorkerGlobalScope) {
  globalThis.onconnect = ({ ports: [port] }) => {
    serve(port);
    port.postMessage({ hello: true });
  };
}
