import { defineMode, turnAway } from './mode.ts';

/** Hands the connection over; when no delivery can take it, tells the client where to go, waits, or says when to come back. */
export const handoff = defineMode({
  answers: false,
  outcomes: ['taken', 'redirected', 'unavailable', 'misdirected'],
  act(desk, fd, found, from) {
    if (desk.hand(fd, found, from)) return;
    if (desk.terminate(fd, found)) return;
    if (desk.redirect(fd, found, 'redirected')) return;
    if (desk.postpone(fd, found, from)) return;
    turnAway(desk, fd, found);
  },
});
