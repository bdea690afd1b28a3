import type { Kind } from './kind.ts';
import { processOf, untilRegistered } from './processes.ts';

/** It finishes what it has and gets nothing more. */
export const drain: Kind = {
  draws: ({ deliveries }) => [
    [2, ({ one, between }) => ({ target: one(deliveries), lasts: between(200, 3000) })],
  ],
  // A head that is not there cannot be told anything.
  occupies: (target) => [target, 'head'],
  make: ({ target }, world) => ({
    pid: processOf(target, world).pid,
    async begin() {
      await untilRegistered(world.lab, target);
      await world.lab.head.drain(target, true);
    },
    end: () => world.lab.head.drain(target, false),
  }),
};
