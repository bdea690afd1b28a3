import { drainByMoving } from '../../admin-client.ts';
import { askEach } from '../../lab/heads.ts';
import type { Draw, Kind } from './kind.ts';
import { drained, HEADS } from './processes.ts';

/** It is drained, and others get what it has, connection by connection, where it can give them back. */
export const move: Kind = {
  draws: ({ deliveries }) => {
    const draw = (share: number, from: readonly string[]): Draw => [
      share,
      ({ one, between }) => ({ target: one(from), lasts: between(100, 4000) }),
    ];
    // From other hosts more often: whole states move.
    const far = deliveries.filter((name) => name.startsWith('d'));
    return [draw(3, deliveries), ...(far.length > 0 ? [draw(2, far)] : [])];
  },
  occupies: (target) => [target, ...HEADS],
  make: ({ target }, world) =>
    drained(target, world, async (heads) => {
      let moves = false;
      await askEach(heads, async ({ admin }) => {
        if (await drainByMoving(admin, target)) moves = true;
      });
      return { outcome: moves ? 'moves' : 'stays' };
    }),
};
