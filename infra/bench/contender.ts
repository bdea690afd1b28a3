/** What takes part in a comparison. A new contender is a file in `contenders/` and a line in `suites.ts`. */
import type { Stage } from './stage.ts';

export interface Contender {
  readonly name: string;
  /** One line for the report: what it is. */
  readonly about: string;
  /** Starts it, with whatever receives its connections. The stage ends every process that it launched. */
  start(stage: Stage): Promise<Running>;
}

interface Running {
  /** The process whose CPU time is measured, and which gets a core of its own. */
  readonly headPid: number;
  /** HOST:PORT to send load to. */
  readonly address: string;
}

/** At most `atMost` times the CPU per connection of the contender `against`. */
export interface Bar {
  readonly against: string;
  readonly atMost: number;
}

export interface Suite {
  readonly name: string;
  readonly about: string;
  /** The HTTP status that counts as an answer. */
  readonly status: number;
  /** The first is the subject, which the bars are about; the others are what it is compared with. */
  readonly contenders: readonly Contender[];
  readonly bars: readonly Bar[];
}
