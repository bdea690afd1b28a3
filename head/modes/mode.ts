/** What a mode is: what the head does with a connection whose first bytes have been understood. */
import type { Found } from '../found.ts';
import type { Refusal } from '../refusals.ts';

/** In the place of a slot: no delivery has had the connection yet. */
export const NOBODY = -1;

/**
 * What a mode can do with a connection. Exactly one of hand, redirect, created and refuse ends its part in it. `Outcome` is
 * what the mode declares: each connection is counted under one of those.
 */
export interface Desk<Outcome extends string = string> {
  /**
   * Hands it to a delivery that can take it, but not to the one that has just returned it (`from`, a slot or NOBODY); false,
   * with nothing done, when there is none, or after too many have returned it. Only for modes that declare `taken`: what
   * became of it is counted so later.
   */
  readonly hand: 'taken' extends Outcome ? (fd: number, found: Found, from: number) => boolean : never;
  /** Answers 307 at a delivery's direct address; false, with nothing done, when none has one or no Location would do. */
  redirect(fd: number, found: Found, outcome: Outcome): boolean;
  /** As `redirect`, with 201. */
  created(fd: number, found: Found, outcome: Outcome): boolean;
  /** Answers 503 with Retry-After, or what else is to be said. */
  refuse(fd: number, found: Found, outcome: Outcome, answer?: Refusal): void;
}

export interface ModeHandler<Outcome extends string = string> {
  /**
   * False: the request stays in the socket for the delivery that will read it. True: the head reads it, which spares
   * throwing it away later.
   */
  readonly consumes: boolean;
  /** What can become of a connection; the counts, the status and the metrics are made of these words. */
  readonly outcomes: readonly Outcome[];
  /** `from`: the slot of the delivery that the connection has just come back from, or NOBODY. */
  act(desk: Desk<Outcome>, fd: number, found: Found, from: number): void;
}

/** Keeps the words of `outcomes`, so that a mode that counts under another one does not compile. */
export const defineMode = <const Outcome extends string>(mode: ModeHandler<Outcome>): ModeHandler<Outcome> =>
  mode;
