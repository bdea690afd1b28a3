import { defineMode } from './mode.ts';

/** Hands the connection over; when no delivery can take it, tells the client where to go, else when to come back. */
export const handoff = defineMode({
  consumes: false,
  outcomes: ['taken', 'redirected', 'unavailable'],
  act(desk, fd, found, from) {
    if (desk.hand(fd, found, from)) return;
    if (desk.redirect(fd, found, 'redirected')) return;
    desk.refuse(fd, found, 'unavailable');
  },
});
