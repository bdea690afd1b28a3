import { askEach } from '../../lab/heads.ts';
import type { Kind } from './kind.ts';
import { drained, HEADS } from './processes.ts';

/** It finishes what it has and gets nothing more, of any head. */
export const drain: Kind = {
  draws: ({ deliveries }) => [
    [2, ({ one, between }) => ({ target: one(deliveries), lasts: between(200, 3000) })],
  ],
  // A head that is not there cannot be told anything.
  occupies: (target) => [target, ...HEADS],
  make: ({ target }, world) =>
    drained(target, world, async (heads) => {
      await askEach(heads, (head) => head.drain(target, true));
      return undefined;
    }),
};
