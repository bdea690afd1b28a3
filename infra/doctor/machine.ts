/** What checks may ask of a machine. Nothing here changes it: what can only be tried is tried where nobody sees it. */
import type { Card, ReadSetting } from '../../shared/host/cards.ts';
import type { HostPort } from '../../shared/units.ts';

/** What came of a program that ended. */
export interface Ran {
  readonly ok: boolean;
  readonly stdout: string;
  /** The first line of what it complained about. */
  readonly problem: string;
}

/** What a part of Baton says about itself; `code` is its error's or its refusal's. */
export type Answer = true | { readonly code: string; readonly problem: string; readonly fix?: string };

interface Flows {
  readonly count: number;
  readonly capacity: number;
}

export interface Machine {
  readonly uid: number;
  readonly gid: number;
  readonly node: string;
  readonly cards: readonly Card[];
  readonly setting: ReadSetting;
  /** A file's text without white space around it; undefined when it cannot be read. */
  read(file: string): string | undefined;
  /** Whether a program is on PATH, or where the administrator's are; of a path, whether it exists. */
  has(program: string): boolean;
  run(program: string, ...args: readonly string[]): Promise<Ran>;
  openFiles(): Promise<number>;
  /** Parts in machine code that cannot be loaded. */
  brokenParts(): Promise<readonly string[]>;
  canRepair(): Promise<Answer>;
  /** Whether the steering program and its table may be loaded. */
  canSteer(): Promise<Answer>;
  hasBpffs(): Promise<boolean>;
  /** What a head has left at work on a card. */
  flowsOn(card: string): Promise<Answer | Flows | undefined>;
  /** The network card behind a numeric address, on this host's segment. */
  nextHop(address: string): Promise<Answer>;
  /** The numeric address of a host. */
  lookUp(host: string): Promise<string>;
  secretUsable(file: string): Promise<Answer>;
  /** Whether a head lets in who has this secret. */
  canLink(head: HostPort, secret: string): Promise<Answer>;
}

/** A command that only root may run, as this user would. */
export const asRoot = ({ uid }: Pick<Machine, 'uid'>, command: string): string =>
  uid === 0 ? command : command.replaceAll(/(^|&& )(?=\w)/g, '$1sudo ');

/** Where to try what changes a network: a namespace that is gone with the command. */
export const inScratchNetwork = ({ uid }: Pick<Machine, 'uid'>): string[] =>
  uid === 0 ? ['--net'] : ['--user', '--map-root-user', '--net'];
