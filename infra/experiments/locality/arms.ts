/** What is tried in `locality`: how requests are placed, with how many pages, on how many deliveries. */

/** What a cache holds, in pages. */
export const CACHE = 100;

/** Which connection a request comes on, and what is placed. */
export const placements = {
  each: { title: 'a connection for each request', requests: 1 },
  connection: { title: 'kept alive, placed by connection', requests: 20 },
  request: { title: 'kept alive, placed by request', requests: 20 },
} as const satisfies Record<string, { title: string; requests: number }>;
export type Placement = keyof typeof placements;

/** Weighted round robin is what the papers compare with. */
export const POLICIES = ['weighted', 'path-hash', 'lard', 'lard-r'] as const;
type PolicyName = (typeof POLICIES)[number];

export interface Arm {
  readonly policy: PolicyName;
  readonly placement: Placement;
  readonly deliveries: number;
  /** Pages that are asked for, in caches of one delivery. */
  readonly caches: number;
}

/** Where the bars are: as much as fits into the caches of four deliveries together. */
export const MIDDLE = { deliveries: 4, caches: 4 } as const;

export const fullArms: readonly Arm[] = [
  ...[1, 2, 4, 8].flatMap((caches) => arms({ ...MIDDLE, caches }, POLICIES, ['each'])),
  ...arms(MIDDLE, POLICIES, ['connection', 'request']),
  ...[1, 2, 8].flatMap((deliveries) => arms({ ...MIDDLE, deliveries }, POLICIES, ['each'])),
];

export const quickArms: readonly Arm[] = [
  ...arms(MIDDLE, ['weighted', 'lard'], ['each']),
  ...arms(MIDDLE, ['lard'], ['connection', 'request']),
];

function arms(
  where: Pick<Arm, 'deliveries' | 'caches'>,
  policies: readonly PolicyName[],
  all: readonly Placement[],
): Arm[] {
  return all.flatMap((placement) => policies.map((policy) => ({ ...where, placement, policy })));
}
