import type { Kind } from './kind.ts';
import { endAndStart } from './processes.ts';

/** SIGKILL. */
export const kill: Kind = {
  draws: ({ heads, deliveries, clients, policies }) => [
    [4, ({ one, between }) => ({ target: one(deliveries), lasts: between(0, 2500) })],
    heads.length > 1
      ? [3, ({ one, between }) => ({ target: one(heads), lasts: between(0, 4000) })]
      : [1.5, ({ one }) => ({ target: 'head', lasts: 0, policy: one(policies) })],
    [1, ({ one }) => ({ target: one(clients), lasts: 0 })],
  ],
  make: (fault, world) => endAndStart('kill', fault, world),
};
