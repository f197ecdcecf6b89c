import { Line } from './line.js';
import { Member } from './member.js';
import { cursorOf, position, same } from './position.js';

const RECENT = 1000; // pushes that a hub keeps; older ones go
const RECENT_CHARS = 4 << 20; // the same in characters of JSON; the newest push stays

/** One connection for many pages. */
export class Hub {
  #settings; #onEmpty;
  #members = new Set();
  #line = null;
  #lead = null; // the member whose start is the line's
  #at = null; // position of the newest push that came, or of the stream's start
  #floor = null; // position after which all pushes are among the recent ones
  #recent = []; // { at, cursor, data }, oldest first
  #chars = 0;
  #opened = null; // the latest `open`, its states kept up to date
  #status = { status: 'connecting', reason: null };
  #queue = []; // who catches up, the first of them now

  constructor(settings, onEmpty) {
    [this.#settings, this.#onEmpty] = [settings, onEmpty];
  }

  join(port, { start, lock }) {
    const member = new Member(this, port, start);
    this.#members.add(member);
    // The page holds this lock for as long as it lives, also when it crashes instead of saying that it leaves.
    if (lock) navigator.locks.request(lock, { signal: member.gone.signal }, () => this.leave(member)).catch(() => {});
    member.post(this.#status);
    if (this.#opened) this.#place(member);
    if (!this.#line) {
      this.#lead = member;
      this.#line = new Line(this.#settings, start, this);
    }
    return member;
  }

  leave(member) {
    if (!this.#members.delete(member)) return;
    member.gone.abort();
    if (member.behind) this.#caughtUp(member);
    if (this.#members.size === 0) this.#end();
  }

  wake(network) {
    this.#line.wake(network);
    this.#queue[0]?.line?.wake(network);
  }

  /** Posts what the member has room for. */
  feed(member) {
    if (!member.at || member.behind || member.room <= 0) return;
    if (member.missed) {
      member.missed = false;
      member.post(this.#status);
      member.post({ open: this.#opened, cursor: cursorOf(member.at) });
    }
    if (!this.#covers(member.at)) {
      this.#fallBehind(member);
      return;
    }
    let from = this.#recent.length;
    while (from > 0 && this.#recent[from - 1].at.seq > member.at.seq) from -= 1;
    const pushes = this.#recent.slice(from, from + Math.max(0, member.room));
    if (pushes.length === 0) return;
    member.at = pushes.at(-1).at;
    member.post({ pushes: pushes.map(({ cursor, data }) => ({ cursor, data })) }, pushes.length);
  }

  // -- What the line wants of its owner --

  async credentials() {
    if (!this.#settings.auth) return {};
    // Whom we heard last is the least likely to be frozen.
    for (const member of [...this.#members].sort((a, b) => b.heard - a.heard)) {
      const credentials = await member.ask();
      if (credentials) return credentials;
    }
    throw new Error('credentials');
  }

  status(status, reason) {
    this.#status = { status, reason };
    for (const member of this.#members) member.tell(this.#status);
  }

  ended(reason, problem) {
    for (const member of this.#members) member.post({ closed: reason, problem });
    this.#end();
  }

  event({ name, data, id }) {
    if (name === 'message') this.#push(position(id), id, data);
    else if (name === 'gap') this.#gap(JSON.parse(data));
    else if (name === 'open') this.#open(JSON.parse(data), position(id));
    else {
      if (name === 'upstream' && this.#opened) {
        const { tenant, ...state } = JSON.parse(data);
        this.#opened.tenants[tenant] = state;
      }
      for (const member of this.#members) member.tell({ event: name, data });
    }
  }

  #push(at, cursor, data) {
    this.#at = at;
    this.#recent.push({ at, cursor, data });
    this.#chars += data.length;
    while (this.#recent.length > RECENT || (this.#chars > RECENT_CHARS && this.#recent.length > 1)) {
      const oldest = this.#recent.shift();
      this.#chars -= oldest.data.length;
      this.#floor = oldest.at;
    }
    for (const member of this.#members) this.feed(member);
  }

  /** Told to those who were up to date. Others are behind it now, and will be told by the stream that they catch up with. */
  #gap(gap) {
    for (const member of this.#members) if (this.#follows(member)) member.post({ gap });
    this.#beginAt(this.#at);
  }

  #open(opened, at) {
    const following = [...this.#members].filter((member) => this.#follows(member));
    if (!same(this.#at, at)) this.#beginAt(at);
    [this.#opened, this.#at] = [opened, at];
    for (const member of following) member.at = at;
    for (const member of this.#members) {
      if (member.behind) this.#settle(member);
      else this.#place(member);
    }
  }

  #beginAt(at) {
    [this.#floor, this.#recent, this.#chars] = [at, [], 0];
  }

  // -- Where members stand --

  #follows(member) {
    return this.#at ? !member.behind && same(member.at, this.#at) : member === this.#lead;
  }

  #covers(at) {
    return at.epoch === this.#floor.epoch && at.seq >= this.#floor.seq;
  }

  /** Finds out where a member begins, where that is not known, and lets it go on from there. */
  #place(member) {
    const { cursor, since } = member.start;
    const newest = position(this.#opened.newest);
    const head = newest?.seq > this.#at.seq ? newest : this.#at;
    if (!member.at) {
      // A position beyond the head is for the gateway to judge.
      const at = cursor ? position(cursor) : !since && head;
      if (at && this.#covers(at) && at.seq <= head.seq) member.at = at;
      else return this.#fallBehind(member);
    }
    member.tell({ open: this.#opened, cursor: cursorOf(member.at) });
    return this.feed(member);
  }

  #fallBehind(member) {
    member.behind = true;
    this.#queue.push(member);
    if (this.#queue.length === 1) this.#catchUp(member);
  }

  #catchUp(member) {
    const start = member.at ? { cursor: cursorOf(member.at) } : member.start;
    member.line = new Line(this.#settings, start, {
      credentials: () => this.credentials(),
      status() {},
      event: (event) => this.#caught(member, event),
      ended: (reason, problem) => {
        member.post({ closed: reason, problem });
        this.leave(member);
      },
    });
  }

  /** An event of the stream that a member catches up with. */
  #caught(member, { name, data, id }) {
    if (name === 'gap') member.post({ gap: JSON.parse(data) });
    if (name !== 'open' && name !== 'message') return null;
    member.at = position(id);
    if (name === 'message') member.post({ pushes: [{ cursor: id, data }] });
    else member.post({ open: JSON.parse(data), cursor: id });
    this.#settle(member);
    if (!member.behind || member.room > 0) return null;
    return member.whenRoomy().then((roomy) => roomy || this.#caughtUp(member));
  }

  /** Done once what comes after its position is among the recent pushes, or still to come. */
  #settle(member) {
    if (member.at && this.#covers(member.at)) this.#caughtUp(member);
  }

  #caughtUp(member) {
    const turn = this.#queue.indexOf(member);
    if (turn < 0) return;
    this.#queue.splice(turn, 1);
    member.behind = false;
    member.line?.stop();
    member.line = null;
    if (turn === 0 && this.#queue.length > 0) this.#catchUp(this.#queue[0]);
    if (this.#members.has(member)) this.feed(member);
  }

  #end() {
    this.#onEmpty();
    this.#line.stop();
    for (const member of this.#members) {
      member.gone.abort();
      member.line?.stop();
    }
    this.#members.clear();
  }
}
