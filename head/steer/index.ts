/** What the head's other parts use of steering. */
export { type Flow, keyOf, type NextHop, readKey } from './flow.ts';
export { resolveNextHop } from './next-hop.ts';
export { attachSteering, type Steering, type SteeringOptions } from './steering.ts';
