import { z } from 'zod';
import { action } from './action.ts';

/** Ends the visits and the lab, and writes down what was seen. */
export const stop = action({
  name: 'stop',
  wants: z.object({}),
  targets: () => [{ key: '', to: {} }],
  hindrance: ({ whyNoReport }) => whyNoReport,
  async act(director) {
    await director.finish();
    return undefined;
  },
});
