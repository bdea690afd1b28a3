import type { Kind } from './kind.ts';
import { processOf } from './processes.ts';

/** SIGSTOP, and SIGCONT. */
export const freeze: Kind = {
  draws: ({ heads, deliveries, clients }) => [
    [4, ({ one, between }) => ({ target: one(deliveries), lasts: between(50, 5000) })],
    heads.length > 1
      ? [3, ({ one, between }) => ({ target: one(heads), lasts: between(20, 6000) })]
      : [2, ({ between }) => ({ target: 'head', lasts: between(20, 2500) })],
    [1, ({ one, between }) => ({ target: one(clients), lasts: between(50, 3000) })],
  ],
  make({ target }, world) {
    const { pid, freeze, resume } = processOf(target, world);
    return { pid, begin: freeze, end: resume };
  },
};
