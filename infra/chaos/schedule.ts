/** Which faults come when: made from a seed before the run, so that it can be run again, halved and kept in a file. */
import { z } from 'zod';
import { seededRandom } from '../statistics/random.ts';
import { faultKinds, kindNames } from './kinds/index.ts';

import { cutAfter, cutOnes, type Dice, type Draw, type Kind, type Places } from './kinds/kind.ts';

const entrySchema = z.object({
  /** Milliseconds since the visits began. */
  at: z.number(),
  lasts: z.number(),
  kind: z.enum(kindNames),
  target: z.string(),
  link: z.record(z.string(), z.number()).optional(),
  policy: z.string().optional(),
  workers: z.number().optional(),
  seconds: z.number().optional(),
  cut: z
    .object({
      who: z.enum(cutOnes),
      after: z.enum(cutAfter),
      ms: z.number(),
      gently: z.literal(true).optional(),
    })
    .optional(),
});

export const scheduleSchema = z.object({
  seed: z.number(),
  /** Arguments of its head, and of each of its deliveries. */
  head: z.array(z.string()),
  delivery: z.array(z.string()).default([]),
  durationMs: z.number(),
  faults: z.array(entrySchema),
});

export type Entry = z.infer<typeof entrySchema>;
export type Schedule = z.infer<typeof scheduleSchema>;

/** Its heads send the next request of a connection to whom it is for (moving.md). */
export const isByRequest = ({ head }: Schedule): boolean =>
  head[head.indexOf('--distribute') + 1] === 'requests';

/** Nothing breaks at the beginning and at the end, so that all is seen to work then. */
const CALM_MS = 2000;
/** Between two faults, on average. */
const EVERY_MS = 2500;

export function makeSchedule(seed: number, durationMs: number, places: Places): Schedule {
  const random = seededRandom(seed);
  const dice: Dice = {
    one: (from) => from[Math.floor(random() * from.length)]!,
    between: (least, most) => Math.round(least + random() * (most - least)),
  };
  const draws = kindNames.flatMap((kind) => faultKinds[kind].draws(places).map((draw) => ({ kind, draw })));
  const sum = draws.reduce((total, { draw: [share] }) => total + share, 0);
  /** Until when each target has a fault already. */
  const busy = new Map<string, number>();
  const faults: Entry[] = [];
  for (let at = CALM_MS; ; at += 500 + random() * 2 * (EVERY_MS - 500)) {
    const { kind, draw } = drawOne(draws, random() * sum);
    const entry: Entry = { at: Math.round(at), kind, ...draw[1](dice) };
    if (entry.at + entry.lasts > durationMs - CALM_MS) break;
    const occupied = occupiedBy(entry);
    if (occupied.some((place) => (busy.get(place) ?? 0) > entry.at)) continue;
    // What it breaks is given a second to be whole again.
    for (const place of occupied) busy.set(place, entry.at + entry.lasts + 1000);
    faults.push(entry);
  }
  const { one, between } = dice;
  const head = [
    ...['--workers', String(between(1, 3)), '--policy', one(places.policies)],
    // On a machine that is busy deliveries take longer than a second to come to the next head.
    ...['--first-delivery-within', '10s'],
    ...['--backlog', String(one([16, 128, 4096])), '--io-uring', one(['auto', 'off'])],
    // A table that is full.
    // Of two heads the one without the address is to know all (failover.md: "the standby's table is full").
    ...['--flows', String(places.heads.length > 1 ? 65_536 : one([8, 64, 65_536]))],
  ];
  const delivery = ['--move', one(['on', 'on', 'off']), '--credits', String(one([12, 200, 5000]))];
  head.push('--distribute', one(['connections', 'requests']));
  return { seed, head, delivery, durationMs, faults };
}

function drawOne<T extends { readonly draw: Draw }>(draws: readonly T[], at: number): T {
  let left = at;
  for (const one of draws) {
    left -= one.draw[0];
    if (left < 0) return one;
  }
  return draws[0]!;
}

/** What nothing else may be done to until it is mended. */
export function occupiedBy({ kind, target }: Entry): readonly string[] {
  const { occupies }: Kind = faultKinds[kind];
  return occupies?.(target) ?? [target];
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
