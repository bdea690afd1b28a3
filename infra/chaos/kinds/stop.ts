import type { Kind } from './kind.ts';
import { endAndStart } from './processes.ts';

/** SIGTERM: it takes leave. */
export const stop: Kind = {
  draws: ({ heads, deliveries, policies }) => [
    [2, ({ one, between }) => ({ target: one(deliveries), lasts: between(0, 1500) })],
    heads.length > 1
      ? [2, ({ one, between }) => ({ target: one(heads), lasts: between(0, 4000) })]
      : [1.5, ({ one }) => ({ target: 'head', lasts: 0, policy: one(policies) })],
  ],
  make: (fault, world) => endAndStart('stop', fault, world),
};
