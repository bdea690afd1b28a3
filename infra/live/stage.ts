/** What a live page shows and steers: a lab of its own, or a head that runs anyway. */
import type { Dialogue, Lab } from '../lab/lab.ts';
import type { Kernel } from './kernel.ts';

/** Why something cannot be done here, and what a person does about it. */
export interface Hindrance {
  readonly reason: string;
  readonly mend: string;
}

export interface Stage {
  /** As the page calls it: `loopback`, `netns`, `vagrant`, or `a running head`. */
  readonly on: string;
  /** Repeats it. */
  readonly command: string;
  /** The head's admin interface. */
  readonly admin: string;
  /** Undefined beside a head that others started. */
  readonly lab: Lab | undefined;
  /** Of the head's host. */
  readonly kernel: Kernel;
  /** Where visitors visit from; undefined: nobody does. */
  readonly converse: ((command: readonly string[], onLine: (line: string) => void) => Dialogue) | undefined;
  /** What they ask for, with the address of a head or a delivery before it. */
  readonly paths: readonly string[];
  /** HOST:PORT of the head, as they reach it. */
  readonly head: string;
  /** Hosts whose cables can be changed; where there are none, why. */
  readonly cables: readonly string[];
  readonly withoutCables: Hindrance | undefined;
  /** A file of settings that the head reads again when it is told to, and that is this stage's alone. */
  readonly settings: string | undefined;
  /** Settles when all that it started is gone; may be called again. */
  stop(): Promise<void>;
}
