import { askEach } from '../../lab/heads.ts';
import type { LabHead } from '../../lab/lab.ts';
import type { Kind } from './kind.ts';
import { HEADS, processOf, untilRegistered } from './processes.ts';

/** It finishes what it has and gets nothing more, of any head. */
export const drain: Kind = {
  draws: ({ deliveries }) => [
    [2, ({ one, between }) => ({ target: one(deliveries), lasts: between(200, 3000) })],
  ],
  // A head that is not there cannot be told anything.
  occupies: (target) => [target, ...HEADS],
  make({ target }, world) {
    let told: readonly LabHead[] = [];
    return {
      pid: processOf(target, world).pid,
      async begin() {
        told = await untilRegistered(world.lab, target);
        await askEach(told, (head) => head.drain(target, true));
      },
      end: () => askEach(told, (head) => head.drain(target, false)),
    };
  },
};
