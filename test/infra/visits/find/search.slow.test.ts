/** The search for a capacity, on queues whose limit is known by theory: it sees visits that a clock of its own makes. */
import test from 'ava';
import { seededRandom } from '../../../../infra/statistics/random.ts';
import { parseGoal } from '../../../../infra/visits/find/goal.ts';
import { enoughWrong, type Reading, readTotals } from '../../../../infra/visits/find/judge.ts';
import { type Found, search } from '../../../../infra/visits/find/search.ts';

interface Queue {
  readonly serviceMs: number;
  readonly arrivals: 'constant' | 'poisson';
  readonly seed: number;
  /** Visits a second that the generator can make. */
  readonly generatorMost?: number;
  /** The share of the visits that fails, whatever the rate. */
  readonly failing?: number;
  readonly firstRate?: number;
  readonly durationMs?: number;
  readonly withinMs?: number;
}

/** One server, first come first served, each visit takes it the same time; what it has not served yet waits for the next run. */
async function searchQueue(goalText: string, queue: Queue): Promise<Found & { readonly tookMs: number }> {
  const goal = parseGoal('--find', [goalText]);
  const random = seededRandom(queue.seed);
  const first = goal.conditions.find(({ allowed }) => allowed !== undefined)!;
  const serviceMicros = queue.serviceMs * 1000;
  let clock = 0;
  const found = await search({
    goal,
    firstRate: queue.firstRate ?? 20,
    mostRate: 100_000,
    durationMs: queue.durationMs ?? 10_000,
    withinMs: queue.withinMs ?? 3_600_000,
    precision: 1.02,
    now: () => clock,
    async probe(rate, durationMs): Promise<Reading> {
      const most = enoughWrong((rate * durationMs) / 1000, first.allowed!);
      const warmUp = durationMs * 100;
      const totals: number[] = [];
      let at = 0;
      let free = 0;
      let wrong = 0;
      let over = false;
      for (let number = 0; at < warmUp + durationMs * 1000; number++) {
        free = Math.max(free, at) + serviceMicros;
        const total = free - at;
        const failed = random() < (queue.failing ?? 0);
        if (at >= warmUp) totals.push(failed ? -total : total);
        if (at >= warmUp && (failed || total > first.afterMs * 1000)) wrong++;
        over = wrong > most;
        if (over) break;
        at =
          queue.arrivals === 'constant'
            ? ((number + 1) * 1e6) / rate
            : at - (Math.log(1 - random()) * 1e6) / rate;
      }
      clock += (over ? at / 1000 : 1.1 * durationMs) + 300;
      const tooFast = queue.generatorMost !== undefined && rate > queue.generatorMost;
      const read = readTotals(
        tooFast ? totals.map((total) => total * 100) : totals,
        goal,
        over ? first : undefined,
      );
      return { rate, durationMs, generator: tooFast ? 'it used 99 % of a core' : undefined, ...read };
    },
  });
  return { ...found, tookMs: clock };
}

/** The share of those in M/D/1 that wait longer than `t`, by Erlang's formula (1909). */
function waitLonger(load: number, t: number, service: number): number {
  const rate = load / service;
  let sum = 0;
  for (let k = 0; k <= Math.floor(t / service); k++) {
    const x = rate * (k * service - t);
    let term = Math.exp(-x);
    for (let i = 1; i <= k; i++) term *= x / i;
    sum += term;
  }
  return 1 - (1 - load) * sum;
}

/** The rate at which exactly the share `allowed` takes longer than the limit. */
function limitOfMD1(serviceMs: number, limitMs: number, allowed: number): number {
  let [low, high] = [0, 1];
  for (let step = 0; step < 50; step++) {
    const load = (low + high) / 2;
    if (waitLonger(load, limitMs - serviceMs, serviceMs) > allowed) high = load;
    else low = load;
  }
  return (low * 1000) / serviceMs;
}

const off = (found: Found, truth: number) => found.rate / truth - 1;
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

for (const serviceMs of [1, 10, 20, 37]) {
  test(`D/D/1 of ${serviceMs} ms: the highest rate is that of the service, ten times of ten`, async (t) => {
    for (let seed = 1; seed <= 10; seed++) {
      const found = await searchQueue('p99<50ms', {
        serviceMs,
        arrivals: 'constant',
        seed,
        firstRate: 7 * seed,
      });
      t.is(found.outcome, 'found');
      t.true(Math.abs(off(found, 1000 / serviceMs)) < 0.03, `${found.rate} for ${1000 / serviceMs}`);
      t.true(found.low <= found.rate && found.rate <= found.high);
    }
  });
}

for (const [goal, serviceMs, limitMs, allowed] of [
  ['p99<50ms', 10, 50, 0.01],
  ['p99<10ms', 2, 10, 0.01],
  ['p90<60ms', 20, 60, 0.1],
  ['p50<20ms', 10, 20, 0.5],
] as const) {
  test(`M/D/1 of ${serviceMs} ms: ${goal} is found within 5 % of what theory says, ten times of ten`, async (t) => {
    const truth = limitOfMD1(serviceMs, limitMs, allowed);
    const all: Found[] = [];
    for (let seed = 1; seed <= 10; seed++) {
      const found = await searchQueue(goal, { serviceMs, arrivals: 'poisson', seed, durationMs: 60_000 });
      all.push(found);
      t.log(
        `${found.rate.toFixed(1)}/s (${found.low.toFixed(1)} to ${found.high.toFixed(1)}), ${percent(off(found, truth))}, ${(found.tookMs / 1000).toFixed(0)} s, ${found.tried.length} rates`,
      );
    }
    t.log(`theory: ${truth.toFixed(1)}/s`);
    for (const found of all) t.true(Math.abs(off(found, truth)) < 0.05, percent(off(found, truth)));
  });
}

test('a limit far above the service time does not hide a queue that grows', async (t) => {
  const found = await searchQueue('p99<20s', { serviceMs: 10, arrivals: 'constant', seed: 1 });
  t.is(found.outcome, 'found');
  t.true(Math.abs(off(found, 100)) < 0.05, String(found.rate));
});

test('what never holds is said to be so, and what no generator can ask for too', async (t) => {
  const never = await searchQueue('p99<5ms', { serviceMs: 10, arrivals: 'constant', seed: 1 });
  t.is(never.outcome, 'never');
  t.is(never.rate, 0);
  const failing = await searchQueue('p99<5s', { serviceMs: 10, arrivals: 'poisson', seed: 1, failing: 0.03 });
  t.is(failing.outcome, 'never');
  const allowed = await searchQueue('p90<1s,failed<5%', {
    serviceMs: 10,
    arrivals: 'constant',
    seed: 1,
    failing: 0.03,
  });
  t.is(allowed.outcome, 'found');
  t.true(Math.abs(off(allowed, 100)) < 0.05, String(allowed.rate));
  const busy = await searchQueue('p99<50ms', {
    serviceMs: 1,
    arrivals: 'constant',
    seed: 1,
    generatorMost: 300,
  });
  t.is(busy.outcome, 'generator');
  t.true(busy.rate <= 300 && busy.rate > 290, String(busy.rate));
});

test('a search ends in its time, with what it knows by then', async (t) => {
  const found = await searchQueue('p99<50ms', {
    serviceMs: 10,
    arrivals: 'constant',
    seed: 1,
    withinMs: 60_000,
  });
  t.true(found.tookMs < 75_000, String(found.tookMs));
  t.false(found.inTime);
  t.is(found.outcome, 'found');
  t.true(found.low <= 100 && found.high >= 100);
});
