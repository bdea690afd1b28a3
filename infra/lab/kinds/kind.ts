/**
 * A kind of lab: where its hosts are, and what can be done with them. Each is a file beside this one and a line in index.ts;
 * what it needs is loaded when it is called for, as help lists the kinds also where the lab is not installed.
 */
import type { Group } from '../../doctor/examine.ts';
import type { Lab, LabOptions } from '../lab.ts';

export interface LabKind {
  /** As in `--on`. */
  readonly name: string;
  /** Deliveries are on hosts of their own, and connections move to them. */
  readonly hasHosts: boolean;
  /** Starts a lab and waits until its head has welcomed every delivery. The caller stops it. */
  start(options: LabOptions): Promise<Lab>;
  /** For a kind that can be started beside a lab of another one: what is lacking for it, if anything. */
  lackingBeside?(): string | undefined;
  /** `baton lab up`: makes its hosts, which stay; what a person is told about them. */
  up?(wanted: WantedHosts): Promise<string>;
  /** `baton lab down`: removes them; what a person is told, nothing where it has been said already. */
  down?(): Promise<string | undefined>;
  /** For `--on` of what asks or steers heads: lets `use` talk to the admin interfaces of the lab's, one or two. */
  withHeads?<T>(use: (heads: readonly NamedHead[]) => Promise<T>): Promise<T>;
  /** `baton doctor` on its hosts. */
  doctor?(): Promise<readonly ExaminedHost[]>;
}

/** What is left out is as it was, or as the kind has it by default. */
export interface WantedHosts {
  /** Hosts for deliveries. */
  readonly deliveries?: number;
  /** Two share an address, and keepalived moves it. Default 1. */
  readonly heads?: 1 | 2;
  /** The round trip of the client's cable. */
  readonly rttMs?: number;
}

export interface NamedHead {
  readonly name: string;
  /** Of its admin interface, on this machine. Nobody answers there when its host is gone. */
  readonly admin: string;
}

export interface ExaminedHost {
  readonly host: string;
  readonly fit: boolean;
  readonly groups: readonly Group[];
}
