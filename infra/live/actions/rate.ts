import { z } from 'zod';
import { action, noVisits } from './action.ts';

const RATE_MAX = 5000;
const wants = z.object({ rate: z.int().min(0).max(RATE_MAX) });

/** Visits a second; 0: nobody visits. */
export const rate = action({
  name: 'rate',
  wants,
  targets: ({ rate: now }) => [{ key: '', to: { rate: now } }],
  hindrance: (director) => (director.visits ? undefined : noVisits),
  async act(director, { rate: wanted }) {
    director.visitAt(wanted);
    return `${wanted} visits a second`;
  },
});
