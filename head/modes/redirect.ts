import { defineMode } from './mode.ts';

/** Tells the client to ask a delivery instead: 307, the same method and body again. */
export const redirect = defineMode({
  consumes: true,
  outcomes: ['answered', 'unavailable'],
  act(desk, fd, found) {
    if (!desk.redirect(fd, found, 'answered')) desk.refuse(fd, found, 'unavailable', found.refusal);
  },
});
