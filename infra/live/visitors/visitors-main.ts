/**
 * The visitors of a live page, as a process of their own where the clients are. They go the way that they were told last, in
 * windows that follow one another without a gap; each is a run of visits like one of `baton visit`, so that a report can
 * be made of it. Ends when its standard input does.
 */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { runFirst } from '../../../shared/sys/realtime.ts';
import { bucketOf } from '../../visits/buckets.ts';
import type { EndedVisit } from '../../visits/options.ts';
import { runVisits } from '../../visits/run.ts';
import type { FromVisitors, Order, Told, ToVisitors } from './protocol.ts';

/** As `baton visit` has it: see there. */
const PRIORITY = 30;
/** Of each way and second, durations that are kept to be told: more than a generator can visit. */
const KEPT = 20_000;

const realtime = runFirst(PRIORITY);
const interrupt = new AbortController();
let ended = new Map<string, { micros: number[]; failures: Record<string, number>; done: number }>();
let ending = new AbortController();
/** Of each run that goes on, how many are under way. */
const underWay = new Map<object, number>();
let seed = 0;
let cpuBefore = process.cpuUsage();
let wallBefore = performance.now();

const say = (line: FromVisitors) => void process.stdout.write(`${JSON.stringify(line)}\n`);

function collect(way: string, { intended, done, failure }: EndedVisit): void {
  if (failure === 'interrupted') return;
  let here = ended.get(way);
  if (!here) {
    here = { micros: [], failures: {}, done: 0 };
    ended.set(way, here);
  }
  here.done++;
  if (failure !== undefined) here.failures[failure] = (here.failures[failure] ?? 0) + 1;
  else if (here.micros.length < KEPT) here.micros.push(Math.round(done - intended));
}

function tell(number: number): void {
  const ways = Object.fromEntries(
    [...ended].map(([way, { micros, failures, done }]): [string, Told] => {
      const sorted = Float64Array.from(micros).sort();
      const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
      const heat = new Map<number, number>();
      for (const each of sorted) heat.set(bucketOf(each), (heat.get(bucketOf(each)) ?? 0) + 1);
      const figures = { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
      return [way, { done, failures, ...figures, heat: [...heat].flat() }];
    }),
  );
  ended = new Map();
  const { user, system } = process.cpuUsage(cpuBefore);
  const busy = (user + system) / 1000 / Math.max(1, performance.now() - wallBefore);
  cpuBefore = process.cpuUsage();
  wallBefore = performance.now();
  const inFlight = [...underWay.values()].reduce((sum, one) => sum + one, 0);
  say({ told: number, inFlight, ways, busy });
}

async function follow(order: Order, cut: AbortSignal): Promise<void> {
  const { stretch, way, urls, rate, windowMs, windows, warm, timeoutMs } = order;
  const runs = new Set<Promise<unknown>>();
  let begun = 0;
  let next = performance.now();
  while (urls.length > 0 && !cut.aborted && (windows === null || begun < windows)) {
    const isCold = begun++ === 0 && !warm;
    const from = Date.now();
    let until = from + windowMs;
    let wasCut = false;
    const onCut = () => {
      wasCut = true;
      until = Date.now();
    };
    cut.addEventListener('abort', onCut, { once: true });
    const key = {};
    const run = runVisits({
      ...{ urls, rate, durationMs: windowMs, timeoutMs, realtime },
      arrivals: 'poisson',
      seed: ++seed,
      ending: cut,
      signal: interrupt.signal,
      onVisit: (visit) => collect(way, visit),
      onProgress: (progress) => underWay.set(key, progress.inFlight),
    }).then((result) => {
      underWay.delete(key);
      runs.delete(run);
      say({ stretch, way, from, until, whole: !isCold && !wasCut && result.complete, result });
    });
    runs.add(run);
    next += windowMs;
    await delay(Math.max(0, next - performance.now()), undefined, { signal: cut }).catch(() => {});
    cut.removeEventListener('abort', onCut);
  }
  await Promise.all(runs);
  if (windows !== null) say({ over: stretch });
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const said = JSON.parse(line) as ToVisitors;
  if ('tell' in said) return tell(said.tell);
  ending.abort();
  ending = new AbortController();
  void follow(said.order, ending.signal);
});
lines.on('close', () => {
  ending.abort();
  interrupt.abort();
  // What it says on the way has nobody who reads it.
  process.exit(0);
});
// Signals of a terminal are for who started it: it ends its input.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
