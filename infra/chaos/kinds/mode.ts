import { type Mode, modes } from '../../../shared/status.ts';
import type { Kind } from './kind.ts';

/** Of the head, switched and back; its target is the mode. */
export const mode: Kind = {
  draws: () => [[4, ({ one, between }) => ({ target: one(modes), lasts: between(500, 5000) })]],
  occupies: () => ['head'],
  make: ({ target }, { lab: { head } }) => ({
    pid: 0,
    begin: () => head.setMode(target as Mode),
    end: () => head.setMode('handoff'),
  }),
};
