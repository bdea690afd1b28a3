/** What steering offers to whoever moves connections; how it works is told in steering.ts. */
import type { HostPort } from '../../shared/units.ts';
import type { Holder, NextHop, SteeredFlow } from './flow.ts';
import type { Interface } from './iproute.ts';
import type { TableSpec } from './table.ts';

export interface SteeringOptions {
  /** Flows at once, whose memory (about 200 bytes each) is taken at the start. An adopted table keeps its own. */
  readonly capacity?: number;
  /** The NAME of the directory /sys/fs/bpf/baton/NAME that has its pins; that of the interface and its namespace by default. */
  readonly name?: string;
}

export interface ForwardOptions {
  /** For a while the program looks whether the head has a newer connection with these ends, whose SYN it may have missed. */
  readonly isOld?: boolean;
  /** The number of its migration: it is kept in the table, for the next head. */
  readonly id?: number;
  /** Only where the entry is not of a later one: none, or one with a number that is not above `id`, or is this one. */
  readonly instead?: number;
}

/** What would be answered by a reset is dropped, for a while, so that TCP sends it again. */
export interface Unknown {
  /** Packets to this address. */
  readonly server: HostPort;
  /** On the clock of process.hrtime.bigint(). Default: from now on. */
  readonly fromNanos?: bigint;
  readonly untilNanos: bigint;
}

export interface Steering {
  readonly interface: Interface;
  readonly capacity: number;
  /** For other threads, which write the same table. */
  readonly table: TableSpec;
  /** The pinned table of flows. */
  readonly path: string;
  /** A table with its flows was found at work. */
  readonly adopted: boolean;
  /** The filter is at its place, as far as is known. */
  readonly isAttached: boolean;
  /** The filter may have gone. */
  distrust(): void;
  /** Attaches the filter again where it has gone; true when it had. Throws STEERING_FAILED and STEERING_FOREIGN. */
  repair(): Promise<boolean>;
  /**
   * Drops the flow's packets, which TCP sends again, for at most `forMs`: past that they reach the head's stack, so that
   * the client of a head that died meanwhile gets a reset. Throws STEERING_FULL.
   */
  hold(key: Uint8Array, forMs?: number, id?: number): void;
  /** Leaves the flow's packets alone: the entry tells the next head that this one was at it. Throws STEERING_FULL. */
  mark(key: Uint8Array, id?: number): void;
  /**
   * Sends the flow's packets to another host; false where a later connection has the entry (`instead`). Throws STEERING_FULL,
   * which a held flow never meets.
   */
  forward(key: Uint8Array, hop: NextHop, of?: ForwardOptions): boolean;
  /**
   * For a while the program looks whether the head has a newer connection with a forwarded flow's ends (`isOld`), or no more: while the
   * head's kernel has a copy of this one, which would be taken for that. Throws STEERING_FAILED.
   */
  look(key: Uint8Array, id: number, on: boolean): void;
  /** Packets of connections that neither the table nor the head's kernel knows. */
  holdUnknown(packets: Unknown): void;
  /** How many of those were dropped. */
  readonly unknownHeld: number;
  /** The flow's packets are the head's again. False when it was not in the table. */
  forget(key: Uint8Array): boolean;
  /** As `forget`, unless the entry is another migration's: then it is left, and the answer is false. */
  release(key: Uint8Array, id: number): boolean;
  /** What the table has under a key. */
  find(key: Uint8Array): SteeredFlow | undefined;
  /** Calls `each` for every flow; its key may be read only while it runs. */
  walk(each: (flow: SteeredFlow, key: Buffer) => void): void;
  /** Only whose they are; undefined for one that is on its way. */
  walkHolders(each: (holder: Holder | undefined, key: Buffer) => void): void;
  list(): SteeredFlow[];
  /** How many flows there are, by a walk over the table: about 0.6 us each. */
  count(): number;
  /** Removes filter, qdisc if it was made for this, table and pins. */
  detach(): Promise<void>;
  /**
   * Leaves all of it at work, for a successor: from here on nothing is found here and nothing can be changed. Other threads of this
   * head have the table until `close`.
   */
  retire(): void;
  /** Lets go and leaves all of it at work; `retire` is part of it. */
  close(): void;
}
