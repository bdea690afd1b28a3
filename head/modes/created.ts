import { request } from '../worker/inspect/http.ts';
import type { ModeHandler } from './mode.ts';

/** Answers that the thing is to be found at a delivery: 201 with a Location, and a page with a link to it. */
export const created: ModeHandler = {
  consumes: true,
  act(desk, fd) {
    if (!desk.created(fd, 'created_answered')) desk.refuse(fd, 'created_unavailable', request.refusal);
  },
};
