/** Which faults come when: made from a seed before the run, so that it can be run again, halved and kept in a file. */
import { z } from 'zod';
import { modes } from '../../shared/status.ts';
import { type Random, seededRandom } from '../statistics/random.ts';

const faultKinds = ['kill', 'stop', 'freeze', 'fewFiles', 'drain', 'mode', 'linkDown', 'linkBad'] as const;

const entrySchema = z.object({
  /** Milliseconds since the visits began. */
  at: z.number(),
  lasts: z.number(),
  kind: z.enum(faultKinds),
  /** `head`, a delivery, a client (`c1`), the host of a cable; for a mode its name. */
  target: z.string(),
  /** Of a cable that is bad; the policy of a head that starts again. */
  link: z.record(z.string(), z.number()).optional(),
  policy: z.string().optional(),
});

export const scheduleSchema = z.object({
  seed: z.number(),
  /** Arguments of its head. */
  head: z.array(z.string()),
  durationMs: z.number(),
  faults: z.array(entrySchema),
});

export type Entry = z.infer<typeof entrySchema>;
export type Schedule = z.infer<typeof scheduleSchema>;

export interface Places {
  readonly deliveries: readonly string[];
  readonly clients: readonly string[];
  /** Hosts whose cables may fail. */
  readonly cables: readonly string[];
}

/** Nothing breaks at the beginning and at the end, so that all is seen to work then. */
const CALM_MS = 2000;
/** Between two faults, on average. */
const EVERY_MS = 2500;

export function makeSchedule(
  seed: number,
  durationMs: number,
  places: Places,
  policies: readonly string[],
): Schedule {
  const random = seededRandom(seed);
  const one = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)]!;
  /** Until when each target has a fault already. */
  const busy = new Map<string, number>();
  const faults: Entry[] = [];
  for (let at = CALM_MS; ; at += 500 + random() * 2 * (EVERY_MS - 500)) {
    const entry = draw(Math.round(at), random, one, { ...places, policies });
    if (entry.at + entry.lasts > durationMs - CALM_MS) break;
    const occupied = occupiedBy(entry);
    if (occupied.some((place) => (busy.get(place) ?? 0) > entry.at)) continue;
    // What it breaks is given a second to be whole again.
    for (const place of occupied) busy.set(place, entry.at + entry.lasts + 1000);
    faults.push(entry);
  }
  const head = [
    ...['--workers', String(1 + Math.floor(random() * 3)), '--policy', one(policies)],
    // On a machine that is busy deliveries take longer than a second to come to the next head.
    ...['--first-delivery-within', '10s'],
    ...['--backlog', String(one([16, 128, 4096])), '--io-uring', one(['auto', 'off'])],
  ];
  return { seed, head, durationMs, faults };
}

/** What nothing else may be done to until it is mended. A head that is not there cannot be told anything. */
export function occupiedBy({ kind, target }: Entry): string[] {
  if (kind.startsWith('link')) return [`cable ${target}`];
  if (kind === 'mode') return ['head'];
  return kind === 'drain' ? [target, 'head'] : [target];
}

function draw(
  at: number,
  random: Random,
  one: <T>(from: readonly T[]) => T,
  places: Places & { readonly policies: readonly string[] },
): Entry {
  const lasts = (least: number, most: number) => Math.round(least + random() * (most - least));
  const { deliveries, clients, cables, policies } = places;
  const kinds: [share: number, make: () => Omit<Entry, 'at'>][] = [
    [4, () => ({ kind: 'kill', target: one(deliveries), lasts: lasts(0, 2500) })],
    [2, () => ({ kind: 'stop', target: one(deliveries), lasts: lasts(0, 1500) })],
    [4, () => ({ kind: 'freeze', target: one(deliveries), lasts: lasts(50, 5000) })],
    [2, () => ({ kind: 'fewFiles', target: one(deliveries), lasts: lasts(200, 3000) })],
    [2, () => ({ kind: 'drain', target: one(deliveries), lasts: lasts(200, 3000) })],
    [1.5, () => ({ kind: 'kill', target: 'head', lasts: 0, policy: one(policies) })],
    [1.5, () => ({ kind: 'stop', target: 'head', lasts: 0, policy: one(policies) })],
    [2, () => ({ kind: 'freeze', target: 'head', lasts: lasts(20, 2500) })],
    [1, () => ({ kind: 'fewFiles', target: 'head', lasts: lasts(200, 2000) })],
    [2, () => ({ kind: 'mode', target: one(modes), lasts: lasts(500, 5000) })],
    [1, () => ({ kind: 'kill', target: one(clients), lasts: 0 })],
    [1, () => ({ kind: 'freeze', target: one(clients), lasts: lasts(50, 3000) })],
  ];
  if (cables.length > 0)
    kinds.push(
      [2, () => ({ kind: 'linkDown', target: one(cables), lasts: lasts(50, 3000) })],
      [
        4,
        () => ({
          kind: 'linkBad',
          target: one(cables),
          lasts: lasts(500, 5000),
          link: {
            delayMs: lasts(1, 30),
            lossPercent: lasts(0, 4),
            duplicatePercent: lasts(0, 10),
            reorderPercent: lasts(0, 20),
          },
        }),
      ],
    );
  let left = random() * kinds.reduce((sum, [share]) => sum + share, 0);
  for (const [share, make] of kinds) {
    left -= share;
    if (left < 0) return { at, ...make() };
  }
  return { at, ...kinds[0]![1]() };
}

/** Its first and its second half, each moved to the beginning; nothing of a schedule with one fault. */
export function halves({ faults, ...rest }: Schedule): Schedule[] {
  if (faults.length < 2) return [];
  const middle = Math.ceil(faults.length / 2);
  return [faults.slice(0, middle), faults.slice(middle)].map((part) => {
    const early = part[0]!.at - CALM_MS;
    const moved = part.map((entry) => ({ ...entry, at: entry.at - early }));
    const last = Math.max(...moved.map(({ at, lasts }) => at + lasts));
    return { ...rest, durationMs: last + CALM_MS, faults: moved };
  });
}
