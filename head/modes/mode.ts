/** What a mode is: what the head does with a connection whose first bytes have been understood. */
import type { Found } from '../found.ts';
import type { Refusal } from '../refusals.ts';

/** In the place of a slot: no delivery has had the connection yet. */
export const NOBODY = -1;
/** No delivery is to have it any more. */
export const GIVEN_UP = -2;

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
  /**
   * Has the head speak TLS with its client; the mode acts once more on the request that it then sends, which cannot be handed
   * over any more. False, with nothing done, for what is no TLS, and where there is no certificate for the name.
   */
  terminate(fd: number, found: Found): boolean;
  /**
   * Where deliveries have credits and could only just now take nothing, it waits for them, within bounds: its mode acts once
   * more then. False, with nothing done, where there are none.
   */
  postpone(fd: number, found: Found, from: number): boolean;
  /** Answers 307 at a delivery's direct address; false, with nothing done, when none has one or no Location would do. */
  redirect(fd: number, found: Found, outcome: Outcome): boolean;
  /** As `redirect`, with 201. */
  created(fd: number, found: Found, outcome: Outcome): boolean;
  /** There are deliveries, and none of them serves the name that its client asks for. */
  isForNobody(found: Found): boolean;
  /** Answers 503 with Retry-After, or what else is to be said. */
  refuse(fd: number, found: Found, outcome: Outcome, answer?: Refusal): void;
}

export interface ModeHandler<Outcome extends string = string> {
  /** The head answers each request itself that it can answer. */
  readonly answers: boolean;
  /** What can become of a connection; the counts, the status and the metrics are made of these words. */
  readonly outcomes: readonly Outcome[];
  /**
   * The request is still in its socket, all of it. `from`: the slot of the delivery that the connection has just come back
   * from, NOBODY, or GIVEN_UP.
   */
  act(desk: Desk<Outcome>, fd: number, found: Found, from: number): void;
}

/** Nobody can take it: for the time being, or because nobody here is who its client asks for. */
export function turnAway(
  desk: Pick<Desk<'unavailable' | 'misdirected'>, 'isForNobody' | 'refuse'>,
  fd: number,
  found: Found,
  answer?: Refusal,
): void {
  if (desk.isForNobody(found)) desk.refuse(fd, found, 'misdirected', 'misdirected');
  else desk.refuse(fd, found, 'unavailable', answer);
}

/** Keeps the words of `outcomes`, so that a mode that counts under another one does not compile. */
export const defineMode = <const Outcome extends string>(mode: ModeHandler<Outcome>): ModeHandler<Outcome> =>
  mode;
