import type { ModeHandler } from './mode.ts';

/** Hands the connection over; when no delivery can take it, tells the client where to go, else when to come back. */
export const handoff: ModeHandler = {
  consumes: false,
  act(desk, fd) {
    if (desk.hand(fd)) return;
    if (desk.redirect(fd, 'handoff_redirected')) return;
    desk.refuse(fd, 'handoff_unavailable');
  },
};
