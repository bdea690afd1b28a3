import { setTimeout as delay } from 'node:timers/promises';
import { realtimeMicros } from '../../shared/sys/stamped.ts';
import { createAlarm } from './alarm.ts';
import { pacerFor, shareOf } from './arrivals.ts';
import { Clients, now } from './clients.ts';
import { withoutCredentials } from './credentials.ts';
import { draws, fixed, LIFETIME, meanOf, REQUESTS } from './distribution.ts';
import type { VisitOptions } from './options.ts';
import type { VisitResult } from './result.ts';
import { Security } from './secure.ts';
import { speech } from './speech.ts';
import { Tally } from './tally.ts';
import { Redirects, resolveTarget, type Target } from './target.ts';
import { Visit, type VisitPlan } from './visit.ts';

/** Visits begun in one turn of the event loop, so that a late generator still reads answers between them. */
const BURST_MAX = 32;
const SWEEP_MS = 20;

/**
 * Sends visits at the moments that the arrivals name, whatever becomes of the ones before (an open loop), and times
 * each from the moment that was meant. A generator that falls behind still begins every visit, counts how late, and
 * says so; it never skips one silently.
 */
export async function runVisits(options: VisitOptions): Promise<VisitResult> {
  const targets = await Promise.all(options.urls.map(resolveTarget));
  const converse = await speech(options.http2 ?? false, targets);
  const wait = (options.startAt ?? 0) - EARLY_MS - Date.now();
  // An abort is the run's to see.
  if (wait > 0) await delay(wait, undefined, { signal: options.signal }).catch(() => {});
  return new Run(options, targets, converse).finished;
}

/** A run that waits for its moment is there by then: a timer of Node's may be some milliseconds late. */
const EARLY_MS = 10;

/** A moment of now(), to the microsecond: several generators that begin together keep the order of their visits. */
const startOf = ({ startAt = 0 }: VisitOptions): number =>
  Math.round(now() + Math.max(0, startAt * 1000 - realtimeMicros()));

class Run {
  readonly finished: Promise<VisitResult>;
  readonly #options: VisitOptions;
  readonly #targets: readonly Target[];
  readonly #plan: VisitPlan;
  readonly #timeout: number;
  readonly #cap: number;
  readonly #tally: Tally;
  readonly #pacer: () => number;
  readonly #step: number;
  readonly #alarm = createAlarm(() => this.#beginDue());
  readonly #timers: NodeJS.Timeout[] = [];
  /** In the order of their intended starts, which is also the order of their time limits. */
  readonly #inFlight = new Set<Visit>();
  /** Moments in microseconds of now(), whole ones: sums with fractions round, and a visit at the very end would count or not. */
  readonly #start: number;
  readonly #origin: number;
  readonly #end: number;
  readonly #startedAt: string;
  /** When time limits were looked at last. */
  #swept = 0;
  /** The next one, made ready while there was time. */
  #ready: Visit | undefined;
  #readying: NodeJS.Timeout | undefined;
  #next: number;
  /** Of the visit that is made ready next, among those of all generators. */
  #number: number;
  /** Of those measured that are over: how many failed or took long; and the same with those that go on, when it was told last. */
  #slow = 0;
  #toldSlow = 0;
  #allBegun = false;
  #aborted = false;
  #over = false;
  #lastBegun: number;
  #measuredVisits = 0;
  #cpuBefore: NodeJS.CpuUsage | undefined;
  #resolve!: (result: VisitResult) => void;

  constructor(options: VisitOptions, targets: readonly Target[], converse: VisitPlan['converse']) {
    const warmUp = (options.warmUpMs ?? 0) * 1000;
    const { seed = 1, requestsPerVisit = 1, lifetime, share = { index: 0, of: 1 } } = options;
    const requests = typeof requestsPerVisit === 'number' ? fixed(requestsPerVisit) : requestsPerVisit;
    this.#options = options;
    this.#start = startOf(options);
    this.#number = share.index;
    this.#step = share.of;
    this.#targets = targets;
    this.#timeout = (options.timeoutMs ?? 10_000) * 1000;
    this.#cap = options.maxInFlight ?? 4000;
    this.#tally = new Tally(options.samples ?? false);
    this.#plan = {
      requests: draws(requests, REQUESTS, seed, 1),
      lifetime: lifetime && draws(lifetime, LIFETIME, seed, 2),
      redirects: new Redirects(),
      messagesPerVisit: options.messagesPerVisit ?? 1,
      clients: new Clients(),
      security: new Security(options.tls ?? {}),
      converse,
      keepPorts: options.samples ?? false,
      onMessage: (visit, micros) => visit.intended >= this.#origin && this.#tally.heard(micros),
      onDone: (visit) => this.#ended(visit),
    };
    if (targets.some(({ secure }) => secure)) this.#plan.security.prepare();
    this.#pacer = shareOf(pacerFor(options.arrivals ?? 'constant', options.rate, seed), share);
    this.#origin = this.#start + warmUp;
    this.#lastBegun = this.#origin;
    this.#end = this.#origin + options.durationMs * 1000;
    this.#startedAt = new Date(Date.now() + (this.#origin - now()) / 1000).toISOString();
    this.#next = this.#start + this.#pacer();
    this.finished = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#timers.push(setInterval(() => this.#sweep(), SWEEP_MS));
    if (options.onProgress) this.#timers.push(setInterval(() => this.#report(), 250));
    options.signal?.addEventListener('abort', this.#abort, { once: true });
    options.ending?.addEventListener('abort', this.#beginNoMore);
    if (options.signal?.aborted) this.#abort();
    else this.#beginDue();
  }

  #beginDue(): void {
    if (this.#allBegun) return;
    for (let burst = 0; burst < BURST_MAX; burst++) {
      if (this.#next >= this.#end) {
        this.#allBegun = true;
        this.#finishIfOver();
        return;
      }
      const wait = this.#next - now();
      if (wait > 0) {
        this.#alarm.after(wait);
        // Without TLS there is nothing to it.
        if (this.#ready === undefined && this.#nextTarget().secure) this.#makeReadySoon(wait);
        return;
      }
      const intended = this.#next;
      this.#next = this.#start + this.#pacer();
      this.#beginOne(intended, -wait);
    }
    setImmediate(() => this.#beginDue());
  }

  /** Not at once: those that have just begun are about to need this process. */
  #makeReadySoon(wait: number): void {
    clearTimeout(this.#readying);
    this.#readying = setTimeout(
      () => {
        if (!this.#allBegun) this.#ready ??= this.#makeReady();
      },
      Math.max(1, wait / 2000),
    );
  }

  #makeReady(): Visit {
    const visit = new Visit(this.#plan, this.#nextTarget(), this.#number);
    this.#number += this.#step;
    return visit;
  }

  #nextTarget(): Target {
    return this.#targets[this.#number % this.#targets.length]!;
  }

  #beginOne(intended: number, late: number): void {
    const measured = intended >= this.#origin;
    if (measured) {
      this.#cpuBefore ??= process.cpuUsage();
      this.#measuredVisits++;
      this.#lastBegun = now();
    }
    // Past its time limit before it began: the run is bounded by duration + time limit however slow this machine is.
    const refusal =
      late > this.#timeout ? 'not_sent' : this.#inFlight.size >= this.#cap ? 'over_cap' : undefined;
    if (refusal !== undefined) {
      if (!measured) return;
      this.#tally.fail(refusal, intended - this.#origin, late);
      this.#slow++;
      this.#options.onVisit?.({ intended, done: intended + late, paused: 0, failure: refusal });
      return;
    }
    const visit = this.#ready ?? this.#makeReady();
    this.#ready = undefined;
    this.#inFlight.add(visit);
    visit.begin(intended);
    if (measured) this.#tally.begun(visit);
  }

  #ended(visit: Visit): void {
    this.#inFlight.delete(visit);
    if (visit.intended >= this.#origin) {
      this.#tally.ended(visit, this.#origin);
      if (this.#isSlow(visit)) this.#slow++;
      this.#options.onVisit?.(visit);
    }
    if (this.#allBegun) this.#finishIfOver();
  }

  #sweep(): void {
    this.#plan.clients.syncClocks();
    const at = now();
    // setInterval is due so long after the turn before, whatever that one took.
    if (this.#swept >= this.#origin) this.#tally.turned(at - this.#swept - SWEEP_MS * 1000);
    this.#swept = at;
    const limit = at - this.#timeout;
    for (const visit of this.#inFlight) {
      if (visit.intended > limit) break;
      if (visit.waited(at) > this.#timeout) visit.timeOut();
    }
    this.#tellSlow(at);
  }

  #isSlow({ done, intended, paused, failure }: Visit): boolean {
    if (failure !== undefined) return failure !== 'interrupted';
    return done - intended - paused > (this.#options.slow?.afterMs ?? 0) * 1000;
  }

  #tellSlow(at: number): void {
    const { slow } = this.#options;
    if (!slow || this.#aborted) return;
    let count = this.#slow;
    for (const visit of this.#inFlight) {
      if (at - visit.intended <= slow.afterMs * 1000) break;
      if (visit.intended >= this.#origin && visit.waited(at) > slow.afterMs * 1000) count++;
    }
    if (count <= this.#toldSlow) return;
    this.#toldSlow = count;
    slow.onCount(count);
  }

  #report(): void {
    this.#options.onProgress?.({
      elapsedMs: (now() - this.#start) / 1000,
      totalMs: (this.#end - this.#start) / 1000,
      done: this.#tally.done,
      failed: this.#tally.failed,
      inFlight: this.#inFlight.size,
    });
  }

  #abort = (): void => {
    this.#aborted = true;
    this.#allBegun = true;
    for (const visit of this.#inFlight) visit.abandon('interrupted');
    this.#finishIfOver();
  };

  #beginNoMore = () => {
    this.#allBegun = true;
    this.#finishIfOver();
  };

  #finishIfOver(): void {
    if (this.#inFlight.size > 0 || this.#over) return;
    this.#over = true;
    this.#alarm.close();
    clearTimeout(this.#readying);
    this.#ready?.forget();
    this.#plan.clients.close();
    for (const timer of this.#timers) clearInterval(timer);
    this.#options.signal?.removeEventListener('abort', this.#abort);
    this.#options.ending?.removeEventListener('abort', this.#beginNoMore);
    this.#resolve(this.#result());
  }

  #result(): VisitResult {
    const options = this.#options;
    const wall = Math.max(0, now() - this.#origin);
    const cpu = this.#cpuBefore ? process.cpuUsage(this.#cpuBefore) : { user: 0, system: 0 };
    // When every visit began in time this is the offered rate; when beginning them took longer, it is less.
    const planned = this.#aborted ? wall : options.durationMs * 1000;
    const { requestsPerVisit = 1, lifetime, share } = options;
    const drawn = typeof requestsPerVisit !== 'number';
    const took = Math.max(planned, this.#lastBegun - this.#origin);
    return {
      urls: options.urls.map(withoutCredentials),
      arrivals: options.arrivals ?? 'constant',
      seed: options.seed ?? 1,
      offeredRate: options.rate / (share?.of ?? 1),
      achievedRate: took > 0 ? (this.#measuredVisits * 1e6) / took : 0,
      durationMs: options.durationMs,
      warmUpMs: options.warmUpMs ?? 0,
      requestsPerVisit: drawn ? meanOf(requestsPerVisit) : requestsPerVisit,
      ...(drawn || lifetime
        ? {
            visitors: {
              requests: drawn ? requestsPerVisit.text : String(requestsPerVisit),
              lifetime: lifetime?.text ?? 'none',
            },
          }
        : {}),
      timeoutMs: this.#timeout / 1000,
      startedAt: this.#startedAt,
      complete: !this.#aborted,
      ...this.#tally.figures(cpu.user + cpu.system, wall, options.realtime ?? false),
    };
  }
}
