import type { HeadStatus, Mode } from '../../shared/status.ts';
import type { Link } from './delay/wire.ts';

/** A lab: a running head with its deliveries and a place for clients, wherever those are. */

/** A place where commands run. Each command is a program and its arguments; `baton` of service.ts begins our own. */
export interface Host {
  readonly name: string;
  /** Runs a command to its end and answers its standard output. An abort sends SIGTERM and still waits for the end. */
  run(command: readonly string[], options?: { signal?: AbortSignal | undefined }): Promise<string>;
  /** Starts a command as a service and waits for its line of JSON that says it is ready. */
  start(command: readonly string[]): Promise<Service>;
}

export interface Service {
  /** What it printed when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  readonly pid: number;
  /** SIGTERM, then SIGKILL when it has not ended within the bound. Settles when it is gone; may be called again. */
  stop(): Promise<void>;
}

interface LabHead {
  /** HOST:PORT that clients connect to. */
  readonly listen: string;
  readonly pid: number;
  status(): Promise<HeadStatus>;
  setMode(mode: Mode): Promise<void>;
}

interface LabDelivery {
  readonly name: string;
  /** HOST:PORT that answers without the head. */
  readonly direct: string;
  readonly pid: number;
}

export interface Lab {
  /** Where it runs, as in `--on`. */
  readonly on: LabKind;
  readonly head: LabHead;
  readonly deliveries: readonly LabDelivery[];
  readonly client: Host;
  /** Stops everything that it started. Settles when all of it is gone; may be called again. */
  stop(): Promise<void>;
}

export const labKinds = ['loopback', 'netns'] as const;
export type LabKind = (typeof labKinds)[number];

export interface LabOptions {
  readonly mode: Mode;
  /** How many. */
  readonly deliveries: number;
  /** What the cables of `client`, `head`, `d1`, ... do, both ways; for labs whose hosts have cables. */
  readonly links?: Readonly<Record<string, Link>>;
}
