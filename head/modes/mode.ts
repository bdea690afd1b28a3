/** What a mode is: what the head does with a connection whose request head is complete. */

import type { Total } from '../scoreboard.ts';
import type { ErrorAnswer } from '../worker/responses.ts';

/** What a mode can do with a connection. Exactly one of hand, redirect, created and refuse ends its part in it. */
export interface Desk {
  /** Hands it to a delivery that can take it; false, with nothing done, when there is none. */
  hand(fd: number): boolean;
  /** Answers 307 at a delivery's direct address; false, with nothing done, when none has one or no Location would do. */
  redirect(fd: number, outcome: Total): boolean;
  /** As `redirect`, with 201. */
  created(fd: number, outcome: Total): boolean;
  /** Answers 503 with Retry-After, or what else is to be said. */
  refuse(fd: number, outcome: Total, answer?: ErrorAnswer): void;
}

export interface ModeHandler {
  /**
   * False: the request stays in the socket for the delivery that will read it. True: the head reads it, which spares
   * throwing it away later.
   */
  readonly consumes: boolean;
  act(desk: Desk, fd: number): void;
}
