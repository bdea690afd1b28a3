/** What the head's admin interface answers at `GET /status`, and the words that it is made of. */

export const modes = ['handoff', 'redirect', 'created'] as const;
/** What the head does with an accepted connection. */
export type Mode = (typeof modes)[number];

export type DeliveryState = 'up' | 'draining' | 'down';

export interface DeliveryStatus {
  readonly name: string;
  readonly pid: number;
  readonly state: DeliveryState;
  /** How a handoff reaches it. */
  readonly transport: 'fd';
  /** HOST:PORT at which clients reach it without the head; null when it has none. */
  readonly direct: string | null;
  readonly weight: number;
  /** The most connections that it holds at once. */
  readonly credits: number;
  /** Connections that it holds or that are on their way to it: never above `credits`. */
  readonly inUse: number;
  /** Connections sent to it that it has not yet taken. */
  readonly untaken: number;
  /** Totals since the head started. */
  readonly taken: number;
  /** Connections that came back from it unserved and went elsewhere. */
  readonly returned: number;
  readonly redirected: number;
  readonly created: number;
}

export interface HeadStatus {
  readonly version: string;
  readonly pid: number;
  readonly mode: Mode;
  readonly policy: string;
  /** HOST:PORT that clients connect to. */
  readonly listen: string;
  readonly socket: string;
  readonly workers: number;
  /** Per worker, as the kernel granted it (capped by net.core.somaxconn). */
  readonly backlog: number;
  readonly uptimeSeconds: number;
  /** Of the whole head process, in microseconds (getrusage(2)). */
  readonly cpu: { readonly userMicros: number; readonly systemMicros: number };
  /** Connections accepted since start. */
  readonly accepted: number;
  /** Connections that the head holds now, whatever for. */
  readonly open: number;
  /** Ends of connections by mode and outcome, e.g. `handoff.taken`, `handoff.redirected`, `redirect.answered`. */
  readonly outcomes: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Connections whose first bytes were refused, by name, e.g. `not_http`, `too_slow`. */
  readonly inspectionFailures: Readonly<Record<string, number>>;
  readonly listeners: readonly {
    readonly worker: number;
    readonly queued: number;
    readonly backlog: number;
  }[];
  /** Host-wide kernel counters, as growth since the head started; null where the kernel does not show them. */
  readonly kernel: { readonly listenOverflows: number | null; readonly listenDrops: number | null };
  readonly deliveries: readonly DeliveryStatus[];
}
