import { type Dice, type Fault, type Kind, nothing } from './kind.ts';

/** Arguments of a successor, by which it differs from its predecessor. */
export const succeedWith = ({ one, between }: Dice, policies: readonly string[]) => ({
  policy: one(policies),
  workers: between(1, 3),
});
export const moreOf = ({ policy, workers }: Fault) => [
  ...(policy === undefined ? [] : ['--policy', policy]),
  ...(workers === undefined ? [] : ['--workers', String(workers)]),
];

/** A successor takes over from the head. */
export const upgrade: Kind = {
  draws: ({ policies }) => [[4, (dice) => ({ target: 'head', lasts: 0, ...succeedWith(dice, policies) })]],
  make: (fault, { lab: { head } }) => ({
    pid: head.pid,
    begin: async () => void (await head.upgrade(moreOf(fault))),
    end: nothing,
  }),
};
