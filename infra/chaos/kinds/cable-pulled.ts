import type { Kind } from './kind.ts';

/** Of a host: its card has no carrier, until it is put in again. */
export const cablePulled: Kind = {
  draws: ({ plugs }) =>
    plugs.length === 0 ? [] : [[4, ({ one, between }) => ({ target: one(plugs), lasts: between(50, 4000) })]],
  occupies: (target) => [`cable ${target}`],
  make: ({ target }, { host }) => ({
    pid: 0,
    begin: () => host(target).setCable(false),
    end: () => host(target).setCable(true),
  }),
};
