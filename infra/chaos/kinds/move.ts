import { drainByMoving } from '../../admin-client.ts';
import type { Kind } from './kind.ts';
import { processOf, untilRegistered } from './processes.ts';

/** It is drained, and others get what it has, connection by connection, where it can give them back. */
export const move: Kind = {
  draws: ({ deliveries }) => [
    [3, ({ one, between }) => ({ target: one(deliveries), lasts: between(100, 4000) })],
  ],
  occupies: (target) => [target, 'head'],
  make: ({ target }, world) => ({
    pid: processOf(target, world).pid,
    async begin() {
      const { head } = world.lab;
      await untilRegistered(world.lab, target);
      return { outcome: (await drainByMoving(head.admin, target)) ? 'moves' : 'stays' };
    },
    end: () => world.lab.head.drain(target, false),
  }),
};
