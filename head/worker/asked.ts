/**
 * Connections whose next request has come, and whose delivery asks who is to have it: several at once, which have one answer. Until
 * that has left nothing has happened, as with any that are given back (ways-back.ts).
 */
import { closeFd } from '../../shared/sys/sockets.ts';
import { ASKED_MAX, IS_CHOSEN, MOVES, STAYS } from '../../shared/wire/asked.ts';
import type { Found } from '../found.ts';
import { NOBODY } from '../modes/mode.ts';
import { steps } from './steps.ts';
import type { AskedFor, WayBack } from './way-back.ts';

interface AskedParts {
  /** Undefined for what is over, or no connection; and when nothing may come back. */
  readonly look: (fd: number) => Found | undefined;
  /** Who is to have it, whose credit is taken by then unless it is the one that asks; or NOBODY. */
  readonly choose: (fd: number, found: Found, way: WayBack, mayStay: boolean) => number;
  readonly giveCredit: (slot: number) => void;
  readonly count: (moved: number, chosen: number, stayed: number) => void;
  /** It is the head's, and to be offered to the delivery in `slot`. */
  readonly regain: (fd: number, way: WayBack, slot: number) => void;
}

export class AskedConnections {
  readonly #parts: AskedParts;
  readonly #slots = new Int32Array(ASKED_MAX);
  readonly #answers = new Uint8Array(ASKED_MAX);

  constructor(parts: AskedParts) {
    this.#parts = parts;
  }

  decide(way: WayBack, { fds, first, mayStay }: AskedFor): void {
    const { look, choose, giveCredit, regain, count } = this.#parts;
    let moved = 0;
    let chosen = 0;
    for (const [i, fd] of fds.entries()) {
      const found = look(fd);
      const slot = found ? choose(fd, found, way, mayStay) : NOBODY;
      this.#slots[i] = slot;
      const answer = slot === NOBODY ? STAYS : slot === way.slot ? IS_CHOSEN : MOVES;
      this.#answers[i] = answer;
      // Before its delivery can hear so.
      if (answer !== MOVES) steps?.decline(fd, way.slot);
      if (answer === IS_CHOSEN) chosen++;
      else if (answer === MOVES) moved++;
    }
    const isSaid = fds.length === 0 || way.answer(first, this.#answers, fds.length);
    if (isSaid) count(moved, chosen, fds.length - moved - chosen);
    else count(0, 0, fds.length);
    for (const [i, fd] of fds.entries()) {
      const slot = this.#slots[i]!;
      const moves = this.#answers[i] === MOVES;
      if (isSaid && moves) {
        regain(fd, way, slot);
        continue;
      }
      if (moves) {
        giveCredit(slot);
        steps?.decline(fd, way.slot);
      }
      closeFd(fd);
      if (!isSaid) way.keep((first + i) >>> 0);
    }
  }
}
