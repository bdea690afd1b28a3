import type { Action } from './action.ts';
import { cable } from './cable.ts';
import { deliveryFaults } from './delivery.ts';
import { drain } from './drain.ts';
import { killHead, upgrade } from './head.ts';
import { policy } from './policy.ts';
import { rate } from './rate.ts';
import { stop } from './stop.ts';
import { turns } from './turns.ts';
import { way } from './way.ts';

/** All that the page steers. */
export const actions: readonly Action[] = [
  way,
  turns,
  policy,
  rate,
  cable,
  drain,
  ...deliveryFaults,
  killHead,
  upgrade,
  stop,
];
