/**
 * Searches the highest rate that holds: doubles it until one does not (or halves it until one does), then halves what lies
 * between. A machine has other work, which makes visits late now and then and never early: so one clear run says that a rate
 * holds, and three that it does not. It knows nothing of servers and of clocks, so that it is tried on queues whose limit is known
 * by theory.
 */
import type { Goal } from './goal.ts';
import { isWorse, judge, type Reading, type Verdict } from './judge.ts';

export interface Search {
  readonly goal: Goal;
  /** Visits a second. */
  readonly firstRate: number;
  readonly mostRate: number;
  /** Of each run. */
  readonly durationMs: number;
  /** It ends when so much time is over, with what it knows by then. */
  readonly withinMs: number;
  /** How far apart the two ends of the interval may be, as a ratio. */
  readonly precision: number;
  /** Visits for a time at a rate. Undefined: there will be no more. */
  probe(rate: number, durationMs: number): Promise<Reading | undefined>;
  /** Milliseconds. */
  now(): number;
}

/** One rate, and all runs at it. */
export interface Tried {
  readonly rate: number;
  readonly verdict: Verdict | 'generator';
  /** What it is taken for, also when it is not clear. */
  readonly taken: 'holds' | 'fails';
  readonly readings: readonly Reading[];
}

export interface Found {
  /** `found`; `never`: no rate holds; `generator`: what holds is bounded by the generator; `most`: the highest that was asked for holds. */
  readonly outcome: 'found' | 'never' | 'generator' | 'most' | 'nothing';
  /** The highest rate that holds, as far as is known; 0 for none. */
  readonly rate: number;
  /** Between the highest that held clearly and the lowest that clearly did not. */
  readonly low: number;
  readonly high: number;
  readonly inTime: boolean;
  /** Lower ones have too few visits in a run to be judged. */
  readonly leastRate: number;
  readonly tried: readonly Tried[];
}

/** Runs at one rate, at most; and how often the generator may be the reason. */
const REPEATS = 5;
const BUSY = 2;
/** Runs that clearly do not hold, until it is believed. */
const FAILS = 3;
/** Visits on the wrong side that may be expected in a run, at least, so that their absence means something. */
const EXPECTED = 2;
/** A run is at most so many times as long as was asked for, where few visits come. */
const LONGEST = 6;
/** What is lower by this is another rate, where what is due to the rate itself is much less. */
const FAR_BELOW = 1.2;

export async function search(options: Search): Promise<Found> {
  return new Searching(options).run();
}

class Searching {
  readonly #options: Search;
  readonly #ends: number;
  readonly #tried: Tried[] = [];
  /** The highest that is taken to hold, and the lowest above it that is not. */
  #low = 0;
  #high = Number.POSITIVE_INFINITY;
  #over = false;

  constructor(options: Search) {
    this.#options = options;
    this.#ends = options.now() + options.withinMs;
  }

  async run(): Promise<Found> {
    await this.#bracket();
    await this.#bisect();
    await this.#confirm();
    return this.#found();
  }

  async #bracket(): Promise<void> {
    const { firstRate, mostRate } = this.#options;
    const leastRate = this.#leastRate();
    for (let rate = firstRate; !this.#over && this.#high === Number.POSITIVE_INFINITY; rate *= 2) {
      await this.#try(Math.min(mostRate, rate));
      if (rate >= mostRate) break;
    }
    for (let rate = firstRate; !this.#over && this.#low === 0 && rate > leastRate; ) {
      rate = Math.max(leastRate, rate / 2);
      await this.#try(rate);
    }
  }

  async #bisect(): Promise<void> {
    const { precision } = this.#options;
    if (this.#low === 0 || this.#high === Number.POSITIVE_INFINITY) return;
    while (!this.#over && this.#high / this.#low > precision)
      await this.#try(Math.sqrt(this.#low * this.#high));
  }

  /** Whether what is taken for the limit holds for longer too; if not, it was luck, and one that is a step lower is asked. */
  async #confirm(): Promise<void> {
    const { precision } = this.#options;
    if (this.#low === 0 || this.#high === Number.POSITIVE_INFINITY) return;
    let rate = this.#low;
    for (let again = 0; again < REPEATS && !this.#over; again++) {
      const taken = await this.#try(rate, 2);
      if (taken !== 'fails') return;
      const below = this.#tried.filter((each) => each.taken === 'holds' && each.rate < rate / 1.001);
      this.#low = Math.max(0, ...below.map((each) => each.rate));
      rate = Math.max(this.#low, rate / precision);
    }
  }

  /** All that is to be seen at a rate. */
  async #try(rate: number, longer = 1): Promise<Tried['taken']> {
    const { goal, probe, now } = this.#options;
    const readings: Reading[] = [];
    const alone: Verdict[] = [];
    let verdict: Tried['verdict'] = 'unclear';
    let busy = 0;
    while (verdict === 'unclear' && readings.length < REPEATS) {
      const durationMs = this.#durationAt(rate) * longer;
      // The first one must be, or there is nothing to say.
      if (this.#tried.length > 0 && now() + durationMs / 2 > this.#ends) this.#over = true;
      const reading = this.#over ? undefined : await probe(rate, durationMs);
      if (reading === undefined) this.#over = true;
      if (reading === undefined) break;
      const one = judge([reading], goal);
      // Perhaps something else kept the machine busy.
      if (one === 'fails' && reading.generator !== undefined && ++busy <= BUSY) continue;
      readings.push(reading);
      alone.push(one);
      if (busy > BUSY) verdict = 'generator';
      else verdict = this.#together(alone, readings);
    }
    if (readings.length === 0) return 'fails';
    const clear = verdict === 'generator' ? 'fails' : verdict;
    const taken = clear === 'unclear' ? this.#guess(rate, readings) : clear;
    this.#tried.push({ rate, verdict, taken, readings });
    if (taken === 'holds') this.#low = Math.max(this.#low, rate);
    else this.#high = Math.min(this.#high, rate);
    return taken;
  }

  #together(alone: readonly Verdict[], readings: readonly Reading[]): Verdict {
    const holds = alone.filter((one) => one === 'holds').length;
    const fails = alone.filter((one) => one === 'fails').length;
    if (holds > 0) return 'holds';
    if (fails >= FAILS) return 'fails';
    return readings.length > 2 && fails === 0 ? judge(readings, this.#options.goal) : 'unclear';
  }

  /** One that cannot be told from the limit. What is as bad where far fewer come is no matter of how many come. */
  #guess(rate: number, readings: readonly Reading[]): Tried['taken'] {
    const below = this.#tried.filter((each) => each.taken === 'holds' && each.rate < rate / FAR_BELOW);
    const calm = below.flatMap((each) => each.readings);
    if (this.#tried.length === 0) return 'holds';
    return isWorse(readings, calm, this.#options.goal) ? 'fails' : 'holds';
  }

  /** Of so many visits one may be on the wrong side. */
  #visitsForOne(): number {
    const allowed = this.#options.goal.conditions.flatMap((each) => (each.allowed ? [each.allowed] : []));
    return allowed.length === 0 ? 1 : 1 / Math.min(...allowed);
  }

  /** Long enough for some on the wrong side to be expected at the limit. */
  #durationAt(rate: number): number {
    const { durationMs } = this.#options;
    const wanted = ((EXPECTED * this.#visitsForOne()) / rate) * 1000;
    return Math.min(LONGEST * durationMs, Math.max(durationMs, wanted));
  }

  /** Below it too few come in the longest run to say that it holds. */
  #leastRate(): number {
    return (1000 * this.#visitsForOne()) / (LONGEST * this.#options.durationMs);
  }

  #found(): Found {
    const tried = this.#tried;
    const rate = this.#low;
    const clear = (verdict: Verdict, is: (each: number) => boolean) =>
      tried.filter((each) => each.verdict === verdict && is(each.rate)).map((each) => each.rate);
    const low = Math.max(0, ...clear('holds', (each) => each <= rate));
    const high = Math.min(...clear('fails', (each) => each > rate), Number.POSITIVE_INFINITY);
    const last = tried.filter((each) => each.rate === this.#high).at(-1);
    const common = { rate, low, high, inTime: !this.#over, leastRate: this.#leastRate(), tried };
    if (last?.verdict === 'generator') return { outcome: 'generator', ...common };
    if (rate > 0) return { outcome: this.#high === Number.POSITIVE_INFINITY ? 'most' : 'found', ...common };
    return { outcome: tried.length === 0 || this.#over ? 'nothing' : 'never', ...common };
  }
}
