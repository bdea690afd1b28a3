/** What is asked of all heads of a lab: two that share an address are to do the same. */
import { BatonError } from '../../shared/errors.ts';
import type { Lab, LabHead } from './lab.ts';

/** How they are called: the first is the one that has the address at the start. */
export const headNames = (count: number): readonly string[] => (count === 2 ? ['head', 'head2'] : ['head']);

/** Asks each head of these, those that are gone left out. Throws when all are, and what one of them refuses. */
export async function askEach(
  heads: readonly LabHead[],
  ask: (head: LabHead) => Promise<unknown>,
): Promise<void> {
  const answers = await Promise.allSettled(heads.map(ask));
  const problems = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
  const refused = problems.find((problem) => !isGone(problem));
  if (refused !== undefined) throw refused;
  if (problems.length === answers.length && problems.length > 0) throw problems[0];
}

const isGone = (problem: unknown): boolean => problem instanceof BatonError && problem.code === 'NOT_RUNNING';

/** Has each head drain those of its deliveries that `drains` is true of, and no other. */
export const drainAt = (lab: Lab, drains: (delivery: string) => boolean): Promise<void> =>
  askEach(lab.heads, async (head) => {
    const { deliveries } = await head.status();
    for (const { name } of deliveries) await head.drain(name, drains(name));
  });
