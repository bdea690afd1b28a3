import { request } from '../worker/inspect/http.ts';
import type { ModeHandler } from './mode.ts';

/** Tells the client to ask a delivery instead: 307, the same method and body again. */
export const redirect: ModeHandler = {
  consumes: true,
  act(desk, fd) {
    if (!desk.redirect(fd, 'redirect_answered')) desk.refuse(fd, 'redirect_unavailable', request.refusal);
  },
};
