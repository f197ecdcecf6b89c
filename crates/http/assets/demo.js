// Shows the pushes of all tenants, live: one EventSource, no library. All text that comes from a push or a tenant is set
// by textContent, so that it can't become markup.
'use strict';

const SHOWN = 100; // pushes on the page; older ones leave it
const LOOK_AGAIN = 5000; // ms until tenants are asked for again, or a stream that ended for good is opened anew
const TICK = 1000; // ms between two updates of "… ago"

const GOOD = new Set(['connected']);
const BAD = new Set(['auth_failed', 'misconfigured', 'crashed']);

const byId = (id) => document.getElementById(id);
const tenants = new Map(); // id -> { item, state, detail, dot, pushes, status }
let waiting = []; // pushes that came while the page is paused, oldest first
let paused = false;
let total = 0;
let cursor = '';

function fromTemplate(id) {
  return byId(id).content.firstElementChild.cloneNode(true);
}

function ago(time) {
  const seconds = Math.max(0, Math.round((Date.now() - time) / 1000));
  if (seconds < 2) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return `${Math.floor(seconds / 3600)} h ago`;
}

function showStream(kind, text) {
  byId('stream-dot').className = `dot ${kind}`;
  if (byId('stream-text').textContent !== text) byId('stream-text').textContent = text;
}

function showNote(text) {
  byId('note').textContent = text;
  byId('note').hidden = false;
}

function addTenant(id) {
  const item = fromTemplate('tenant-template');
  const command = `curl -N '${new URL(`events/${id}`, document.baseURI)}'`;
  const button = item.querySelector('button');
  item.querySelector('h3').textContent = id;
  item.querySelector('code').textContent = command;
  button.setAttribute('aria-label', `Copy the curl command for ${id}`);
  button.addEventListener('click', () => copy(command, button, item.querySelector('code')));
  byId('tenants').append(item);
  tenants.set(id, {
    item,
    state: item.querySelector('.state-text'),
    detail: item.querySelector('.detail'),
    dot: item.querySelector('.dot'),
    pushes: 0,
    status: null,
  });
}

function removeTenant(id) {
  tenants.get(id)?.item.remove();
  tenants.delete(id);
}

async function copy(text, button, code) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  } catch {
    getSelection().selectAllChildren(code); // not permitted here: selected, ready for Ctrl+C
  }
}

function showTenant(tenant) {
  const { status, pushes } = tenant;
  const state = status ? status.state : 'unknown';
  tenant.dot.className = `dot ${GOOD.has(state) ? 'good' : BAD.has(state) ? 'bad' : 'busy'}`;
  tenant.state.textContent = state.replaceAll('_', ' ');
  const parts = [`${pushes} push${pushes === 1 ? '' : 'es'} seen here`];
  if (status) parts.unshift(`changed ${ago(Date.parse(status.since))}`);
  if (status && status.reason) parts.unshift(status.reason);
  tenant.detail.textContent = parts.join(' · ');
}

function setStatus(id, status) {
  const tenant = tenants.get(id);
  if (!tenant) return;
  tenant.status = status;
  showTenant(tenant);
}

function showPush({ push, id }) {
  const item = fromTemplate('push-template');
  const time = item.querySelector('time');
  item.querySelector('.tag').textContent = push.tenant;
  item.querySelector('h3').textContent = push.title;
  item.querySelector('.body').textContent = push.body;
  item.querySelector('.ids').textContent = `${push.id} · cursor ${id}`;
  time.dateTime = push.received_at;
  time.title = push.received_at;
  time.textContent = ago(Date.parse(push.received_at));
  const list = byId('list');
  list.prepend(item);
  while (list.children.length > SHOWN) list.lastElementChild.remove();
  byId('no-pushes').hidden = true;
}

function showCount() {
  const shown = total > SHOWN ? `, the newest ${SHOWN} shown` : '';
  byId('count').textContent = paused ? `${waiting.length} new while paused` : `${total} so far${shown}`;
}

function onPush(event) {
  const push = JSON.parse(event.data);
  const tenant = tenants.get(push.tenant);
  total += 1;
  cursor = event.lastEventId;
  if (tenant) {
    tenant.pushes += 1;
    showTenant(tenant);
  }
  waiting.push({ push, id: event.lastEventId });
  if (waiting.length > SHOWN) waiting.shift();
  if (!paused) waiting.splice(0).forEach(showPush);
  showCount();
}

function onOpen(event) {
  showStream('good', 'Live');
  // The browser's own `open` has no data; the gateway's event of that name has.
  if (!event.data) return;
  cursor = event.lastEventId || cursor;
  for (const [id, status] of Object.entries(JSON.parse(event.data).tenants)) setStatus(id, status);
}

function connect() {
  const url = new URL('events', document.baseURI);
  for (const id of tenants.keys()) url.searchParams.append('tenant', id);
  if (cursor) url.searchParams.set('last_event_id', cursor);
  const source = new EventSource(url);
  source.addEventListener('open', onOpen);
  source.addEventListener('message', onPush);
  source.addEventListener('upstream', (event) => {
    const { tenant, ...status } = JSON.parse(event.data);
    setStatus(tenant, status);
  });
  source.addEventListener('gap', (event) => {
    showNote(`Some pushes could not be replayed (${JSON.parse(event.data).reason}).`);
  });
  source.addEventListener('shutdown', () => showStream('busy', 'The gateway is stopping; will reconnect'));
  source.addEventListener('tenant-removed', (event) => {
    const { tenant } = JSON.parse(event.data);
    removeTenant(tenant);
    showNote(`Removed: ${tenant}.`);
  });
  source.addEventListener('error', () => {
    showStream('bad', 'Not connected; trying again');
    // A browser gives up for good on an answer that is no stream, such as the one for tenants that are gone.
    if (source.readyState === EventSource.CLOSED) setTimeout(start, LOOK_AGAIN);
  });
}

async function start() {
  try {
    const response = await fetch(new URL('demo/tenants', document.baseURI), { cache: 'no-store' });
    const found = (await response.json()).tenants;
    byId('no-tenants').hidden = found.length > 0;
    [...tenants.keys()].filter((id) => !found.includes(id)).forEach(removeTenant);
    found.filter((id) => !tenants.has(id)).forEach(addTenant);
    if (found.length > 0) {
      connect();
      return;
    }
    showStream('busy', 'No tenants');
  } catch {
    showStream('bad', 'Not reachable; trying again');
  }
  setTimeout(start, LOOK_AGAIN);
}

byId('pause').addEventListener('click', () => {
  paused = !paused;
  byId('pause').setAttribute('aria-pressed', String(paused));
  byId('pause').textContent = paused ? 'Resume' : 'Pause';
  if (!paused) waiting.splice(0).forEach(showPush);
  showCount();
});

setInterval(() => {
  for (const time of document.querySelectorAll('.push time')) time.textContent = ago(Date.parse(time.dateTime));
  tenants.forEach(showTenant);
}, TICK);

start();
