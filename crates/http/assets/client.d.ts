// Types of client.js.

/** A push, with the keys of an event's `data` and its cursor. Treat its texts as text, never as HTML. */
export interface Push {
  /** Whose push it is. */
  readonly tenant: string;
  /** The service's id of it. Handle a push that comes twice only once by this. */
  readonly id: string;
  /** The service's time, RFC 3339 by convention. */
  readonly created_at: string;
  readonly title: string;
  readonly body: string;
  /** When it reached the gateway: RFC 3339, UTC. */
  readonly received_at: string;
  /** Its position in the log. */
  readonly seq: number;
  /** Where a stream that has handled it goes on. */
  readonly cursor: string;
}

/** A state of a tenant's connection to the push service. */
export type UpstreamState =
  | 'paused' | 'waiting' | 'connecting' | 'connected' | 'backoff' | 'rate_limited' | 'auth_failed' | 'misconfigured'
  | 'crashed' | 'draining';

/** A tenant's connection to the push service. */
export interface Upstream {
  readonly state: UpstreamState;
  /** RFC 3339. */
  readonly since: string;
  /** A word for programs. */
  readonly reason: string | null;
}

/** The stream is connected, or this page has joined one that is. */
export interface Open {
  readonly epoch: string;
  /** Cursors of the oldest and the newest push that are kept of these tenants. */
  readonly oldest: string | null;
  readonly newest: string | null;
  readonly tenants: Readonly<Record<string, Upstream>>;
  /** Where this page goes on. */
  readonly cursor: string;
}

/** Pushes after the cursor that can't be had. */
export interface Gap {
  readonly reason: 'unknown' | 'expired' | 'ahead' | 'malformed';
  readonly requested: string;
  readonly oldest: string | null;
}

export type Status = 'connecting' | 'live' | 'waiting' | 'closed';

export interface StatusChange {
  readonly status: Status;
  /**
   * Why it waits, or is closed: `network`, `silent`, `ended`, `shutdown`, `auth-expiring`, `auth-expired`, `credentials`,
   * `http_503` and its like, `no_stream`, `broken_event`, `event_too_long`, `gone`, `closed`. More may come.
   */
  readonly reason: string | null;
}

/** An error that the gateway answered (RFC 9457). */
export class PushgateError extends Error {
  readonly status: number;
  /** Such as `urn:problem-type:pushgate:unknown-tenant`, or `about:blank`. */
  readonly type: string;
  readonly title: string;
  readonly detail?: string;
}

/** What a stream's events carry in `detail`. */
export interface PushStreamEvents {
  push: Push;
  open: Open;
  /** Comes before the `open` or the push with which the stream goes on. */
  gap: Gap;
  upstream: Upstream & { readonly tenant: string };
  status: StatusChange;
  /** The stream ended for good. */
  error: PushgateError;
  /** The token ends soon. With a `token` or `ticket` callback the stream renews itself. */
  'auth-expiring': unknown;
  'auth-expired': unknown;
  /** The gateway stops; the stream comes back by itself. */
  shutdown: unknown;
  'tenant-removed': { readonly tenant: string };
  /** An event that this client does not know. */
  event: { readonly name: string; readonly data: unknown };
}

export interface PushStream extends EventTarget {
  /** The cursor of the last push that listeners got, or of where the stream began; null before that is known. */
  readonly cursor: string | null;
  readonly status: Status;
  /** This subscriber's word about a push. Rejects with a `PushgateError`, or a `TypeError` where the network fails. */
  confirm(push: Pick<Push, 'tenant' | 'id'>, word?: 'ack' | 'nack'): Promise<'done' | 'already'>;
  /** Ends the stream for good. The cursor stays in the storage. */
  close(): void;
  addEventListener<K extends keyof PushStreamEvents>(
    type: K,
    listener: (event: CustomEvent<PushStreamEvents[K]>) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof PushStreamEvents>(
    type: K,
    listener: (event: CustomEvent<PushStreamEvents[K]>) => void,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

export interface ConnectOptions {
  /** At least one. */
  tenants: readonly string[];
  /** The gateway's base URL, base path included. Default: where the module came from. */
  url?: string | URL;
  /** Where to begin when no cursor is kept: `earliest`, a time (RFC 3339), or a cursor. Default: live. */
  since?: 'earliest' | (string & {}) | Date;
  /** Where the cursor is kept across page loads: for this tab (the default), for all tabs, or nowhere. */
  storage?: 'session' | 'local' | null;
  /** A fresh ticket, asked for before each attempt to connect, in one of the tabs that share the connection. */
  ticket?: () => Promise<string> | string;
  /** A token for the `Authorization` header, asked for in the same way. Wins over `ticket`. */
  token?: () => Promise<string> | string;
  /** Sends cookies to a gateway of another origin. Default: false. */
  withCredentials?: boolean;
  /** Milliseconds without a byte after which the connection counts as dead. Default: 45,000. */
  idleTimeout?: number;
  /** Shares one connection among the tabs of this origin. Default: true. */
  share?: boolean;
  /** Streams share a connection only within one scope, such as the id of the person who is signed in. */
  scope?: string;
  /** Where a copy of client.js lies on the page's own origin, for the SharedWorker; false does without one. */
  worker?: string | URL | false;
}

/** Follows the pushes of tenants. */
export function connect(options: ConnectOptions): PushStream;
