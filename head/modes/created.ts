import { defineMode, turnAway } from './mode.ts';

/**
 * Answers that the thing is to be found at a delivery: 201 with a Location, and a page with a link to it.
 * Who could not follow is handed over.
 */
export const created = defineMode({
  answers: true,
  // `taken`: of those that were handed over.
  outcomes: ['answered', 'unavailable', 'misdirected', 'taken'],
  act(desk, fd, found, from) {
    if (desk.terminate(fd, found)) return;
    if (found.cannotFollow && (desk.hand(fd, found, from) || desk.postpone(fd, found, from))) return;
    if (!desk.created(fd, found, 'answered')) turnAway(desk, fd, found, found.refusal);
  },
});
