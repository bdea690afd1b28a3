import { z } from 'zod';
import { action, noVisits } from './action.ts';

const wants = z.object({ ways: z.tuple([z.string().max(40), z.string().max(40)]).nullable() });

/** Two ways side by side: a second of visits by the one, a second by the other, until told otherwise. */
export const turns = action({
  name: 'turns',
  wants,
  targets: ({ ways }) =>
    ways.flatMap(({ name }) =>
      ways
        .filter((other) => other.name !== name)
        .map((other) => ({
          key: `${name}+${other.name}`,
          to: { ways: [name, other.name] as [string, string] },
        })),
    ),
  hindrance(director, { ways }) {
    if (ways === null) return undefined;
    if (!director.visits) return noVisits;
    const known = ways.every((name) => director.ways.some((each) => each.name === name));
    if (!known || ways[0] === ways[1])
      return { reason: 'these are not two ways', mend: 'choose two different ones' };
    return director.headIsThere;
  },
  async act(director, { ways }) {
    await director.takeTurns(ways);
    return ways === null ? 'no more turns' : `${ways[0]} and ${ways[1]} in turns`;
  },
});
