import { defineMode } from './mode.ts';

/** Answers that the thing is to be found at a delivery: 201 with a Location, and a page with a link to it. */
export const created = defineMode({
  consumes: true,
  outcomes: ['answered', 'unavailable'],
  act(desk, fd, found) {
    if (!desk.created(fd, found, 'answered')) desk.refuse(fd, found, 'unavailable', found.refusal);
  },
});
