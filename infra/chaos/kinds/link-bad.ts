import type { Dice, Kind } from './kind.ts';

const badLink = ({ between }: Dice) => ({
  delayMs: between(1, 30),
  lossPercent: between(0, 4),
  duplicatePercent: between(0, 10),
  reorderPercent: between(0, 20),
});

/** Of a host's cable: it is slow, and loses, repeats and reorders frames. */
export const linkBad: Kind = {
  draws: ({ cables }) =>
    cables.length === 0
      ? []
      : [[4, (dice) => ({ target: dice.one(cables), lasts: dice.between(500, 5000), link: badLink(dice) })]],
  occupies: (target) => [`cable ${target}`],
  make: ({ target, link = {} }, { host }) => ({
    pid: 0,
    begin: () => host(target).setLink(link),
    end: () => host(target).setLink({}),
  }),
};
