import { defineMode, turnAway } from './mode.ts';

/**
 * Tells the client to ask a delivery instead: 307, the same method and body again.
 * Who could not follow is handed over.
 */
export const redirect = defineMode({
  answers: true,
  // `taken`: of those that were handed over.
  outcomes: ['answered', 'unavailable', 'misdirected', 'taken'],
  act(desk, fd, found, from) {
    if (desk.terminate(fd, found)) return;
    if (found.cannotFollow && (desk.hand(fd, found, from) || desk.postpone(fd, found, from))) return;
    if (!desk.redirect(fd, found, 'answered')) turnAway(desk, fd, found, found.refusal);
  },
});
