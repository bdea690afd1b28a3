/** What a kind of fault consists of. A new one is a file beside this one and a line in index.ts; what it may cost: ../costs.ts. */
import type { Lab, Service } from '../../lab/lab.ts';
import type { NetnsHost } from '../../lab/netns/network.ts';

/** Of which a schedule is made. */
export interface Places {
  /** One, or two that share an address. */
  readonly heads: readonly string[];
  readonly deliveries: readonly string[];
  readonly clients: readonly string[];
  /** Hosts whose cables may fail, and those whose cables may be pulled. */
  readonly cables: readonly string[];
  readonly plugs: readonly string[];
  readonly policies: readonly string[];
  /** The clocks of its processes can jump (../clocks.ts). */
  readonly clocks: boolean;
}

export interface Dice {
  one<T>(from: readonly T[]): T;
  /** A whole number of these, both included. */
  between(least: number, most: number): number;
}

/** Who is killed, or told to stop, in a take-over, and so long after which step of it (shared/trace.ts), milliseconds. */
export const cutOnes = ['predecessor', 'successor'] as const;
export const cutAfter = ['begin', 'handOver', 'ready', 'frozen', 'confirm', 'depart'] as const;

/** As schedules have it. */
export interface Fault {
  /** `head`, `head2`, a delivery, a client (`c1`), the host of a cable; for a mode its name. */
  readonly target: string;
  /** Milliseconds from when it has come about until it is mended. */
  readonly lasts: number;
  /** Of a cable that is bad. */
  readonly link?: Readonly<Record<string, number>> | undefined;
  /** Of a head that starts again, or takes over. */
  readonly policy?: string | undefined;
  readonly workers?: number | undefined;
  /** By which a clock jumps. */
  readonly seconds?: number | undefined;
  readonly cut?:
    | {
        readonly who: (typeof cutOnes)[number];
        readonly after: (typeof cutAfter)[number];
        readonly ms: number;
        /** It is told to stop. */
        readonly gently?: true | undefined;
      }
    | undefined;
}

/** One way in which it comes about, and how often beside all others of all kinds. */
export type Draw = readonly [share: number, make: (dice: Dice) => Fault];

export interface Client {
  readonly name: string;
  readonly service: Service;
  restart(): Promise<Client>;
}

/** What faults are of. */
export interface World {
  readonly lab: Lab;
  readonly clients: Map<string, Client>;
  /** Of a cable. */
  host(name: string): NetnsHost;
}

/** What has come of it, where that is not always the same. */
export interface Came {
  readonly outcome: string;
  /** A process that was killed besides. */
  readonly killed?: number | undefined;
}

export interface Broken {
  /** The process that it is of, 0 for none. */
  readonly pid: number;
  /** Resolves when it has come about. */
  begin(): Promise<Came | undefined> | Promise<void>;
  end(): Promise<void>;
}

export interface Kind {
  draws(places: Places): readonly Draw[];
  /** What nothing else may be done to until it is mended; its target where it does not say. */
  occupies?(target: string): readonly string[];
  make(fault: Fault, world: World): Broken;
}

export const nothing = async (): Promise<void> => {};
