/** The parts of a successful visit, in their order; they add up to the total. */
export const phaseNames = [
  'late',
  'redirectHop',
  'connect',
  'secure',
  'firstByte',
  'lastByte',
  'moreRequests',
] as const;
export type PhaseName = (typeof phaseNames)[number];
