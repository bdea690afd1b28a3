import { z } from 'zod';
import { action } from './action.ts';

const wants = z.object({ delivery: z.string().max(300), on: z.boolean() });

/** A draining delivery keeps what it has and is given nothing more. */
export const drain = action({
  name: 'drain',
  wants,
  targets: ({ deliveries }) =>
    deliveries.map(({ name }) => ({ key: name, to: { delivery: name, on: true } })),
  hindrance(director, { delivery }) {
    const known = director.deliveries.find(({ name }) => name === delivery);
    if (!known || known.state === 'down')
      return { reason: `the head knows no ${delivery} that is up`, mend: 'start it first' };
    return director.headIsThere;
  },
  async act(director, { delivery, on }) {
    await director.drain(delivery, on);
    return on ? `${delivery} drains` : `${delivery} gets connections again`;
  },
});
