import { z } from 'zod';
import { action, noVisits } from './action.ts';

const wants = z.object({ way: z.string().max(40) });

/** Visits go this way from now on. */
export const way = action({
  name: 'way',
  wants,
  targets: ({ ways }) => ways.map(({ name }) => ({ key: name, to: { way: name } })),
  hindrance(director, { way: name }) {
    const found = director.ways.find((each) => each.name === name);
    if (!found)
      return { reason: 'there is no such way here', mend: 'choose one of those that the page shows' };
    if (found.mode === undefined) return director.visits ? undefined : noVisits;
    return director.headIsThere;
  },
  async act(director, { way: name }) {
    await director.go(name);
    return `visits go by ${name}`;
  },
});
