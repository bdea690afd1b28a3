import type { Kind } from './kind.ts';

/** Of a host's cable: nothing passes. */
export const linkDown: Kind = {
  draws: ({ cables }) =>
    cables.length === 0
      ? []
      : [[2, ({ one, between }) => ({ target: one(cables), lasts: between(50, 3000) })]],
  occupies: (target) => [`cable ${target}`],
  make: ({ target }, { host }) => ({
    pid: 0,
    begin: () => host(target).setLink({ lossPercent: 100 }),
    end: () => host(target).setLink({}),
  }),
};
