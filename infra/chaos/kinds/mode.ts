import { type Mode, modes } from '../../../shared/status.ts';
import { askEach } from '../../lab/heads.ts';
import type { Kind } from './kind.ts';
import { HEADS } from './processes.ts';

/** Of the heads, switched and back; its target is the mode. */
export const mode: Kind = {
  draws: () => [[4, ({ one, between }) => ({ target: one(modes), lasts: between(500, 5000) })]],
  occupies: () => HEADS,
  make: ({ target }, { lab: { heads } }) => ({
    pid: 0,
    begin: () => askEach(heads, (head) => head.setMode(target as Mode)),
    end: () => askEach(heads, (head) => head.setMode('handoff')),
  }),
};
