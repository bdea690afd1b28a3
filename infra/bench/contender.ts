/** What takes part in a comparison. A new contender is a file in `contenders/` and a line in `suites.ts`. */
import type { Load } from './loads.ts';
import type { Stage } from './stage.ts';

export interface Contender {
  readonly name: string;
  /** One line for the report: what it is. */
  readonly about: string;
  /** Starts it, with whatever receives its connections. The stage ends every process that it launched. */
  start(stage: Stage): Promise<Running>;
  /** The same made of the program in another folder that Baton was checked out to, for what cannot be compared with itself. */
  of?(checkout: string): Contender;
}

export interface Running {
  /** The process that the suite is about: a head, or in some suites a delivery. A burst stops it for a while. */
  readonly subject: number;
  /** Every other process that works for a connection, the load generator apart. */
  readonly others: readonly number[];
  /** HOST:PORT to send load to. */
  readonly address: string;
  /** What goes before a command that sends load: where its clients are, when that is not here. */
  readonly from?: readonly string[];
  /** What clients say instead of a request: a file with a ClientHello, to which the receiver answers with an alert. */
  readonly hello?: string;
  /** Requests on each connection, for the load of that name. */
  readonly requests?: number;
  /** Clients make a TLS connection and trust this certificate, a file, alone. */
  readonly trusted?: string;
  /** Bytes that have crossed the network card of the subject's host so far, both ways. */
  readonly wireBytes?: () => Promise<number>;
}

/** What a bar can be about: CPU time of the subject or of all processes for each request, or requests a second. */
export const figures = {
  subjectCpu: 'CPU of the subject',
  allCpu: 'CPU of all processes',
  rate: 'requests a second',
} as const;
export type Figure = keyof typeof figures;

/** A figure of the first contender divided by that of `against`: at most or at least so much. Or so much more at most. */
export interface Bar {
  readonly figure: Figure;
  readonly against: string;
  readonly atMost?: number;
  readonly atLeast?: number;
  /** Microseconds. */
  readonly atMostMore?: number;
}

export interface Suite {
  readonly name: string;
  readonly about: string;
  /** The HTTP status that counts as an answer. */
  readonly status: number;
  /** The first is the one that the bars are about; the others are what it is compared with. */
  readonly contenders: readonly Contender[];
  readonly loads: readonly Load['name'][];
  /**
   * Which process is `apart`, with a core of its own, while everything else, the load generator included, has the
   * others. `nobody`: all share all cores, as they would without a bench.
   */
  readonly apart: 'subject' | 'nobody';
  readonly bars: readonly Bar[];
}
