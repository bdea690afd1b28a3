/** What the head's other parts use of steering. */
export { type Flow, keyOf, type NextHop, readKey, type SteeredFlow } from './flow.ts';
export { guard } from './guard.ts';
export { answersNow, neighbourWith, resolveNextHop } from './next-hop.ts';
export { hasBpffs } from './pins.ts';
export { attachSteering, findSteering, tryToSteer } from './steering.ts';
export type { Steering, SteeringOptions } from './types.ts';
