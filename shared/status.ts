/** What the head's admin interface answers at `GET /status`, and the words that it is made of. */
import type { ByRequest } from './wire/distribute.ts';

export const modes = ['handoff', 'redirect', 'created'] as const;
/** What the head does with an accepted connection. */
export type Mode = (typeof modes)[number];

/** How a handoff reaches a delivery: as an fd on the head's own host, or by moving the connection to another. */
export type Transport = 'fd' | 'migrate';

export const placed = ['connections', 'requests'] as const;
/** What the policy chooses a delivery for. */
type Placed = (typeof placed)[number];

export const deliveryStates = ['up', 'draining', 'down'] as const;
export type DeliveryState = (typeof deliveryStates)[number];

export interface DeliveryStatus {
  readonly name: string;
  readonly pid: number;
  readonly state: DeliveryState;
  readonly transport: Transport;
  /** HOST:PORT at which clients reach it without the head; null when it has none. */
  readonly direct: string | null;
  /** The names of servers that it serves; null: every one. */
  readonly serves: readonly string[] | null;
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
  /**
   * While it gives its connections back: those that it still has, in the middle of a request, and such as cannot move; null when it
   * does not.
   */
  readonly left: { readonly busy: number; readonly stays: number } | null;
  /** It looks at the next request of a connection, where requests are distributed. */
  readonly looks: boolean;
  /** Why connections that move to it after they have sent begin with the window of a new one; not there where they do not. */
  readonly beginsAnew?: string;
}

/** A connection that another host has, and whose packets this one sends on. */
export interface FlowStatus {
  /** HOST:PORT each. */
  readonly client: string;
  readonly server: string;
  /** Who has it; null for a flow that no delivery has claimed since the head's start. */
  readonly delivery: string | null;
  /** `held` while it moves, `gone` when it has gone from the table by itself. */
  readonly action: 'hold' | 'mark' | 'forward' | 'gone';
  /** Sent on since it moved. */
  readonly packets: number;
  readonly bytes: number;
}

export interface MigrationStatus {
  /** HOST:PORT at which remote deliveries register. */
  readonly control: string;
  /** The network card whose packets are steered. */
  readonly interface: string;
  /** The address that clients connect to is here; of two heads that share it, one has it. */
  readonly isActive: boolean;
  /** Packets of connections that nobody here knew, and that were dropped for their deliveries to tell of them (`--hold-unknown`). */
  readonly unknownHeld: number;
  /** Ends of migrations by outcome, e.g. `adopted`, `refused`, `late`, `unknown`. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Connections that are on their way right now. */
  readonly moving: number;
  readonly flows: {
    readonly count: number;
    readonly capacity: number;
    /** The first of them, FLOWS_LISTED at most. */
    readonly listed: readonly FlowStatus[];
  };
}

export const FLOWS_LISTED = 20;

/** What `GET /ready` answers. */
export interface Readiness {
  readonly ready: boolean;
  /** One line for a person. */
  readonly why: string;
}

/** What came of reading the configuration again. Settings are named as on the command line. */
export interface Reloaded {
  /** They have other values from now on. */
  readonly changed: readonly string[];
  /** They would have other values after a restart. */
  readonly restart: readonly string[];
}

export interface HeadStatus {
  readonly version: string;
  readonly pid: number;
  readonly mode: Mode;
  readonly policy: string;
  /** What is placed by it: a connection, once, or the next request of one that is kept alive as well. */
  readonly distribute: Placed;
  /** How deliveries know whether they keep a connection whose next request has come; null where connections are placed. */
  readonly distributesBy: ByRequest | null;
  /** Next requests that deliveries have asked about: that went to another, whose delivery was chosen, that nobody could take. */
  readonly nextRequests: { readonly moved: number; readonly chosen: number; readonly stayed: number };
  /** HOST:PORT that clients connect to. */
  readonly listen: string;
  readonly socket: string;
  readonly workers: number;
  /** Per worker, as the kernel granted it (capped by net.core.somaxconn). */
  readonly backlog: number;
  readonly uptimeSeconds: number;
  /** CPU time of the whole head process, in microseconds (getrusage(2)). */
  readonly cpu: { readonly userMicros: number; readonly systemMicros: number };
  /** Connections accepted since start. */
  readonly accepted: number;
  /** Connections that deliveries have given back; each comes to an outcome once more. */
  readonly givenBack: number;
  /** Connections of which it is not decided yet what becomes of them: accepted + givenBack = open + the sum of all outcomes. */
  readonly open: number;
  /** Connections that have their answer and are held until their client has read it. */
  readonly lingering: number;
  /** Ends of connections by mode and outcome, e.g. `handoff.taken`, `handoff.redirected`, `redirect.answered`. */
  readonly outcomes: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Connections whose first bytes were refused, by name, e.g. `not_http`, `too_slow`. */
  readonly inspectionFailures: Readonly<Record<string, number>>;
  readonly listeners: readonly {
    readonly worker: number;
    readonly queued: number;
    readonly backlog: number;
    /** Connections that this listener turned away, its queue being full for one. */
    readonly drops: number;
  }[];
  /** Host-wide kernel counters, as growth since the head started; null where the kernel does not show them. */
  readonly kernel: { readonly listenOverflows: number | null; readonly listenDrops: number | null };
  /** Null for a head that has no deliveries on other hosts. */
  readonly migration: MigrationStatus | null;
  readonly deliveries: readonly DeliveryStatus[];
}
