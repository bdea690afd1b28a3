import { jump } from '../clocks.ts';
import type { Kind } from './kind.ts';
import { processOf } from './processes.ts';

const DAY_S = 86_400;

/** Of a process: the time of day jumps, and jumps back. */
export const clock: Kind = {
  draws: ({ heads, deliveries, clocks }) =>
    clocks
      ? [
          [
            3,
            ({ one, between }) => ({
              target: one([...heads, ...heads, ...deliveries]),
              lasts: between(100, 8000),
              seconds: one([-365 * DAY_S, -3600, -7, 7, 3600, 365 * DAY_S]),
            }),
          ],
        ]
      : [],
  occupies: (target) => [`clock ${target}`],
  make({ target, seconds = 0 }, world) {
    const { pid } = processOf(target, world);
    return { pid, begin: async () => jump(pid, seconds), end: async () => jump(pid, 0) };
  },
};
