import { setTimeout as delay } from 'node:timers/promises';
import { createAlarm } from './alarm.ts';
import { type ArrivalKind, pacerFor } from './arrivals.ts';
import { Clients, now } from './clients.ts';
import { withoutCredentials } from './credentials.ts';
import type { VisitResult } from './result.ts';
import { Security, type TlsOptions } from './secure.ts';
import { speech } from './speech.ts';
import { Tally } from './tally.ts';
import { Redirects, resolveTarget, type Target } from './target.ts';
import { Visit, type VisitPlan } from './visit.ts';

export interface VisitOptions {
  /** http, https, ws and wss URLs, visited in turns. */
  readonly urls: readonly string[];
  /** Visits per second. */
  readonly rate: number;
  /** How long visits are begun; those going on at the end are waited for, up to their time limit. */
  readonly durationMs: number;
  /** Visits at the same rate before the measurement, outside every figure. Default 0. */
  readonly warmUpMs?: number;
  readonly arrivals?: ArrivalKind;
  /** Of Poisson arrivals. Default 1. */
  readonly seed?: number;
  /** Default 1. */
  readonly requestsPerVisit?: number;
  /** On each WebSocket, one after the other. Default 1. */
  readonly messagesPerVisit?: number;
  /** Over TLS where the server chooses it, which is a failure where it does not; without TLS with prior knowledge. Default false. */
  readonly http2?: boolean;
  readonly tls?: TlsOptions;
  /** When to begin, milliseconds since 1970; default now. For generators that begin together, or beside something else. */
  readonly startAt?: number | undefined;
  /** Of a whole visit, from its intended start. Default 10 s, kept to within 20 ms. */
  readonly timeoutMs?: number;
  /** The most visits going on at once; one that is due above it fails as `over_cap`. Default 4000. */
  readonly maxInFlight?: number;
  /** Keep every visit's start and total in the result. */
  readonly samples?: boolean;
  /** Each measured visit when it is over. */
  readonly onVisit?: ((visit: EndedVisit) => void) | undefined;
  /** Whether this process runs at real-time priority, for the result to say. Default false. */
  readonly realtime?: boolean;
  /** Ends the run early; what was measured until then is the result, marked incomplete. */
  readonly signal?: AbortSignal | undefined;
  /** From then on (not before the run) none is begun; those going on are waited for. */
  readonly ending?: AbortSignal | undefined;
  /** Four times a second. */
  readonly onProgress?: ((progress: VisitProgress) => void) | undefined;
}

/** Moments in microseconds of `now()`. */
export interface EndedVisit {
  readonly intended: number;
  readonly done: number;
  /** Undefined when it succeeded. */
  readonly failure: string | undefined;
}

export interface VisitProgress {
  readonly elapsedMs: number;
  readonly totalMs: number;
  readonly done: number;
  readonly failed: number;
  readonly inFlight: number;
}

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
  const wait = (options.startAt ?? 0) - Date.now();
  // An abort is the run's to see.
  if (wait > 0) await delay(wait, undefined, { signal: options.signal }).catch(() => {});
  const run = new Run(options, targets, await speech(options.http2 ?? false, targets));
  return run.finished;
}

class Run {
  readonly finished: Promise<VisitResult>;
  readonly #options: VisitOptions;
  readonly #targets: readonly Target[];
  readonly #plan: VisitPlan;
  readonly #timeout: number;
  readonly #cap: number;
  readonly #tally: Tally;
  readonly #pacer: () => number;
  readonly #alarm = createAlarm(() => this.#beginDue());
  readonly #timers: NodeJS.Timeout[] = [];
  /** In the order of their intended starts, which is also the order of their time limits. */
  readonly #inFlight = new Set<Visit>();
  /** Moments in microseconds of now(), whole ones: sums with fractions round, and a visit at the very end would count or not. */
  readonly #start = Math.round(now());
  readonly #origin: number;
  readonly #end: number;
  readonly #startedAt: string;
  /** When time limits were looked at last. */
  #swept = 0;
  /** The next one, made ready while there was time. */
  #ready: Visit | undefined;
  #readying: NodeJS.Timeout | undefined;
  #next: number;
  #turn = 0;
  #allBegun = false;
  #aborted = false;
  #over = false;
  #lastBegun: number;
  #measuredVisits = 0;
  #cpuBefore: NodeJS.CpuUsage | undefined;
  #resolve!: (result: VisitResult) => void;

  constructor(options: VisitOptions, targets: readonly Target[], converse: VisitPlan['converse']) {
    const warmUp = (options.warmUpMs ?? 0) * 1000;
    this.#options = options;
    this.#targets = targets;
    this.#timeout = (options.timeoutMs ?? 10_000) * 1000;
    this.#cap = options.maxInFlight ?? 4000;
    this.#tally = new Tally(options.samples ?? false);
    this.#plan = {
      requestsPerVisit: options.requestsPerVisit ?? 1,
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
    this.#pacer = pacerFor(options.arrivals ?? 'constant', options.rate, options.seed ?? 1);
    this.#origin = this.#start + warmUp;
    this.#lastBegun = this.#origin;
    this.#end = this.#origin + options.durationMs * 1000;
    this.#startedAt = new Date(Date.now() + warmUp / 1000).toISOString();
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
    const visit = new Visit(this.#plan, this.#nextTarget());
    this.#turn++;
    return visit;
  }

  #nextTarget(): Target {
    return this.#targets[this.#turn % this.#targets.length]!;
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
      this.#options.onVisit?.({ intended, done: intended + late, failure: refusal });
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
      if (visit.intended > limit) return;
      visit.timeOut();
    }
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
    const took = Math.max(planned, this.#lastBegun - this.#origin);
    return {
      urls: options.urls.map(withoutCredentials),
      arrivals: options.arrivals ?? 'constant',
      seed: options.seed ?? 1,
      offeredRate: options.rate,
      achievedRate: took > 0 ? (this.#measuredVisits * 1e6) / took : 0,
      durationMs: options.durationMs,
      warmUpMs: options.warmUpMs ?? 0,
      requestsPerVisit: this.#plan.requestsPerVisit,
      timeoutMs: this.#timeout / 1000,
      startedAt: this.#startedAt,
      complete: !this.#aborted,
      ...this.#tally.figures(cpu.user + cpu.system, wall, options.realtime ?? false),
    };
  }
}
