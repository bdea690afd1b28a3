import { type Dice, type Kind, nothing } from './kind.ts';
import { headOf, moreOf } from './processes.ts';

/** Arguments of a successor, by which it differs from its predecessor. */
export const succeedWith = ({ one, between }: Dice, policies: readonly string[]) => ({
  policy: one(policies),
  workers: between(1, 3),
});
/** A successor takes over from the head. */
export const upgrade: Kind = {
  draws: ({ heads, policies }) => [
    [4, (dice) => ({ target: dice.one(heads), lasts: 0, ...succeedWith(dice, policies) })],
  ],
  make(fault, { lab }) {
    const head = headOf(fault.target, lab)!;
    return { pid: head.pid, begin: async () => void (await head.upgrade(moreOf(fault))), end: nothing };
  },
};
