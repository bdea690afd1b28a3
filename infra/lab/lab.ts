/** A lab: a running head with its deliveries and a place for clients, wherever those are. */
import type { HeadStatus, Mode, Transport } from '../../shared/status.ts';
import type { Cable } from './delay/wire.ts';
import type { Wanted } from './wanted.ts';

export interface HostRunOptions {
  readonly signal?: AbortSignal | undefined;
  /** Exit codes beside 0 of a command that has written its answer: not failures where it has. Default none. */
  readonly answers?: readonly number[];
}

/** A place where commands run. Each command is a program and its arguments. */
export interface Host {
  readonly name: string;
  /** How `baton` is called there; its arguments follow. */
  readonly baton: readonly string[];
  /** Runs a command to its end and answers its standard output. An abort sends SIGTERM and still waits for the end. */
  run(command: readonly string[], options?: HostRunOptions): Promise<string>;
  /** Starts a command as a service and waits for its line of JSON that says it is ready. */
  start(command: readonly string[]): Promise<Service>;
  /** Starts a command that is told things while it runs, and tells some. */
  converse(command: readonly string[], onLine: (line: string) => void): Dialogue;
  /**
   * What its cable does from now on, both ways or each way. Throws LAB_FAILED where there is no cable, or one that was not given a
   * link when the lab was started (`{}` is one that does nothing yet).
   */
  setLink(link: Cable): Promise<void>;
}

export interface Service {
  /** What it printed when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  readonly pid: number;
  /** SIGTERM, then SIGKILL when it has not ended within the bound. Settles when it is gone; may be called again. */
  stop(): Promise<void>;
  /** SIGKILL. Settles when it is gone. */
  kill(): Promise<void>;
  /** Of a process of this machine: settles when it is gone, however. */
  readonly ended?: Promise<void>;
  /** Of a process of this machine: the end of its log. */
  log?(): string;
  /** SIGSTOP: it is stopped, until `resume`. */
  freeze(): Promise<void>;
  resume(): Promise<void>;
}

/** A program that reads lines from its standard input and writes lines to its standard output. */
export interface Dialogue {
  /** Nothing comes of it once the program has ended. */
  say(line: string): void;
  /** Resolves with how it ended, when it has. */
  readonly ended: Promise<string>;
  /** Ends its input, upon which it ends; SIGKILL when it has not within the bound. May be called again. */
  end(): Promise<void>;
}

export interface LabHead {
  /** HOST:PORT that clients connect to. */
  readonly listen: string;
  readonly pid: number;
  readonly host: Host;
  /** Of its admin interface, on this machine. */
  readonly admin: string;
  status(): Promise<HeadStatus>;
  setMode(mode: Mode): Promise<void>;
  /** A draining delivery keeps what it has and is given nothing more; `false` ends that. */
  drain(delivery: string, on: boolean): Promise<void>;
  /** Ends its process, gently or not, and starts it again at the same address. Settles when it is ready. */
  restart(how: 'stop' | 'kill', again?: HeadAgain): Promise<void>;
  /** Has it replaced by one with these arguments besides, and settles when it is gone. */
  upgrade(more?: readonly string[]): Promise<HeadUpgrade>;
  freeze(): Promise<void>;
  resume(): Promise<void>;
  /** Ends its process, and nothing follows. Settles when it is gone. */
  end(how: 'stop' | 'kill'): Promise<void>;
  /** Starts it after `end`, at the same address. Settles when it is ready. */
  start(): Promise<void>;
}

/** The host of one of two heads that share an address. */
export interface HeadHost {
  /** The shared address is there. */
  hasAddress(): Promise<boolean>;
  setCable(isIn: boolean): Promise<void>;
  /** What moves the address stands still; its kernel does not. */
  freeze(): Promise<void>;
  resume(): Promise<void>;
  /** It loses its power: its cable is dead, and all that ran on it has ended, its head too. */
  lose(head: LabHead): Promise<void>;
  /** It has its power back: nothing is left of before, and its head starts. */
  boot(head: LabHead): Promise<void>;
}

/** How a head is started again. */
interface HeadAgain {
  /** So long after its predecessor has ended, milliseconds. Default 0. */
  readonly awayMs?: number;
  /** Arguments besides those that the first had. */
  readonly more?: readonly string[];
}

/** Of a head's replacement, milliseconds; what is not known of another machine's is left out. */
export interface HeadUpgrade {
  /** From the order until it was done. */
  readonly tookMs: number;
  /** Nobody was accepted: by the predecessor until it was confirmed, and by the successor from then on. */
  readonly stoodMs?: number;
  readonly waitedMs?: number;
  /** From *confirmed* until the predecessor's process had ended. */
  readonly goneMs?: number;
}

export interface LabDelivery {
  readonly name: string;
  readonly transport: Transport;
  /** HOST:PORT that answers without the head. */
  readonly direct: string;
  readonly pid: number;
  readonly host: Host;
  /** SIGTERM: it takes leave of the head. Settles when it is gone. */
  stop(): Promise<void>;
  kill(): Promise<void>;
  freeze(): Promise<void>;
  resume(): Promise<void>;
  /** Starts it again after `stop` or `kill`. Settles when a head has welcomed it. */
  restart(): Promise<void>;
}

export interface Lab {
  /** Where it runs, as in `--on`. */
  readonly on: string;
  /** The first of them, or the only one. */
  readonly head: LabHead;
  readonly heads: readonly LabHead[];
  /** Of each, where there are two. */
  readonly headHosts?: readonly HeadHost[];
  readonly deliveries: readonly LabDelivery[];
  readonly client: Host;
  /** Of a lab that speaks TLS: a file with the certificate of its servers, on the client's host, which is to trust it. */
  readonly certificate?: string | undefined;
  /** Stops everything that it started. Settles when all of it is gone; may be called again. */
  stop(): Promise<void>;
}

export interface LabOptions {
  readonly mode: Mode;
  /** `baton keeper` runs the head, and starts it again when it dies; for a lab whose processes are the lab's own. */
  readonly keeper?: boolean;
  /** Two share an address, and keepalived moves it; for the kinds of lab that can. Default 1. */
  readonly heads?: 1 | 2;
  /** `d1`, `d2`, ..., or by these names: on hosts of their own where the lab has hosts. */
  readonly deliveries: Wanted;
  /** Further ones on the head's own host, `l1`, `l2`, ...; default 0. */
  readonly local?: Wanted;
  /** What the cables of `client`, `head`, `d1`, ... do; for labs whose hosts have cables. */
  readonly links?: Readonly<Record<string, Cable>>;
  /**
   * Its deliveries speak HTTPS and HTTP/2 as well, each on its one port, and resume one another's sessions; `everywhere`: its
   * head has their certificate too, and speaks TLS with whom it answers itself.
   */
  readonly tls?: boolean | 'everywhere';
  /** More arguments of `baton head` and of each `baton delivery`. */
  readonly headArguments?: readonly string[];
  readonly deliveryArguments?: readonly string[];
}
