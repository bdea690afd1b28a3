import type { Histogram } from 'hdr-histogram-js';
import { createHistogram, encodeHistogram, spread } from './histogram.ts';
import { LATE_AFTER_MICROS, ownLimits } from './own-limits.ts';
import type { PhaseName } from './phases.ts';
import type { Measure, VisitResult } from './result.ts';
import type { Visit } from './visit.ts';

/** Counts what became of the visits of one run. */
export class Tally {
  readonly #phases: Record<PhaseName, Histogram> = {
    late: createHistogram(),
    redirectHop: createHistogram(),
    connect: createHistogram(),
    secure: createHistogram(),
    firstByte: createHistogram(),
    lastByte: createHistogram(),
    moreRequests: createHistogram(),
  };
  readonly #latency = createHistogram();
  readonly #tls = { handshakes: 0, resumed: 0, resumedVisits: 0, versions: {}, protocols: {} };
  /** Undefined until there is one: a histogram takes memory. */
  #messages: Histogram | undefined;
  #work: Record<'secure' | 'firstByte', Histogram> | undefined;
  readonly #failedAfter = createHistogram();
  /** Of every visit, also those that failed. */
  readonly #lateness = createHistogram();
  /** How much later than it was due the event loop came to a turn. */
  readonly #loop = createHistogram();
  readonly #failures: Record<string, number> = {};
  readonly #statuses: Record<string, number> = {};
  readonly #redirects: Record<string, number> = {};
  readonly #samples: NonNullable<VisitResult['samples']> | undefined;
  #late = 0;
  #succeeded = 0;
  #failed = 0;
  #interrupted = 0;
  #connections = 0;
  #requests = 0;
  #bodyBytes = 0;

  constructor(keepSamples: boolean) {
    this.#samples = keepSamples
      ? {
          startMicros: [],
          totalMicros: [],
          lateMicros: [],
          connectMicros: [],
          secureMicros: [],
          firstByteMicros: [],
          workMicros: [],
          ports: [],
        }
      : undefined;
  }

  get done(): number {
    return this.#succeeded + this.#failed;
  }

  get failed(): number {
    return this.#failed;
  }

  turned(lateMicros: number): void {
    record(this.#loop, Math.max(0, lateMicros));
  }

  begun(visit: Visit): void {
    const late = visit.begun - visit.intended;
    if (late > LATE_AFTER_MICROS) this.#late++;
    record(this.#lateness, late);
  }

  /** `origin` is when the measurement began, in microseconds of now(). */
  ended(visit: Visit, origin: number): void {
    this.#connections += visit.connections;
    this.#requests += visit.requests;
    this.#bodyBytes += visit.bytes;
    this.#secured(visit);
    if (visit.hops) for (const status of visit.hops) add(this.#redirects, String(status));
    if (visit.failure === 'interrupted') {
      this.#interrupted++;
      return;
    }
    if (visit.status !== 0) add(this.#statuses, String(visit.status));
    const total = visit.done - visit.intended - visit.paused;
    if (visit.failure !== undefined) {
      this.fail(visit.failure, visit.intended - origin, total, visit);
      return;
    }
    this.#succeeded++;
    this.#sample(visit.intended - origin, total, visit);
    record(this.#latency, total);
    record(this.#phases.late, visit.begun - visit.intended);
    record(this.#phases.redirectHop, visit.redirected - visit.begun);
    record(this.#phases.connect, visit.connected - visit.redirected);
    record(this.#phases.secure, visit.secured - visit.connected);
    record(this.#phases.firstByte, visit.firstByte - visit.secured);
    record(this.#phases.lastByte, visit.lastByte - visit.firstByte);
    record(this.#phases.moreRequests, visit.done - visit.lastByte - visit.paused);
    if (visit.handshakes?.every(({ resumed }) => resumed)) this.#tls.resumedVisits++;
    if (visit.ownSecure === 0 && visit.ownFirstByte === 0) return;
    this.#work ??= { secure: createHistogram(), firstByte: createHistogram() };
    record(this.#work.secure, visit.ownSecure);
    record(this.#work.firstByte, visit.ownFirstByte);
  }

  /** A message that came back. */
  heard(micros: number): void {
    this.#messages ??= createHistogram();
    record(this.#messages, micros);
  }

  #secured(visit: Visit): void {
    const tls = this.#tls;
    for (const { resumed, version, protocol } of visit.handshakes ?? []) {
      tls.handshakes++;
      if (resumed) tls.resumed++;
      add(tls.versions, version);
      add(tls.protocols, protocol || 'none');
    }
  }

  /** Also for visits that were due and never begun. `intended` is in microseconds since the measurement began. */
  fail(name: string, intended: number, after: number, visit?: Visit): void {
    add(this.#failures, name);
    this.#failed++;
    record(this.#failedAfter, after);
    this.#sample(intended, -after, visit);
  }

  /** What this tally knows of the result. `cpuMicros` and `wallMicros` are those of the measurement. */
  figures(cpuMicros: number, wallMicros: number, realtime: boolean) {
    const lateness = spread(this.#lateness);
    const warnings = ownLimits({
      failures: this.#failures,
      lateMicros: lateness.p99,
      loopMicros: spread(this.#loop).p99,
      cpuMicros,
      wallMicros,
    });
    const phases: Record<PhaseName, Measure> = {
      late: measure(this.#phases.late),
      redirectHop: measure(this.#phases.redirectHop),
      connect: measure(this.#phases.connect),
      secure: measure(this.#phases.secure),
      firstByte: measure(this.#phases.firstByte),
      lastByte: measure(this.#phases.lastByte),
      moreRequests: measure(this.#phases.moreRequests),
    };
    return {
      visits: this.done,
      succeeded: this.#succeeded,
      failed: this.#failed,
      interrupted: this.#interrupted,
      failures: this.#failures,
      statuses: this.#statuses,
      redirects: this.#redirects,
      connections: this.#connections,
      requests: this.#requests,
      bodyBytes: this.#bodyBytes,
      latency: measure(this.#latency),
      failedAfter: spread(this.#failedAfter),
      phases,
      ...(this.#tls.handshakes > 0 ? { tls: this.#tls } : {}),
      ...(this.#messages
        ? { messages: { answered: this.#messages.totalCount, roundTrip: measure(this.#messages) } }
        : {}),
      lateness: {
        lateAfterMicros: LATE_AFTER_MICROS,
        late: this.#late,
        p50: lateness.p50,
        p99: lateness.p99,
        max: lateness.max,
      },
      generator: {
        cpuMicros,
        realtime,
        ...(this.#work
          ? { work: { secure: spread(this.#work.secure), firstByte: spread(this.#work.firstByte) } }
          : {}),
        cpuShare: wallMicros > 0 ? cpuMicros / wallMicros : 0,
        processes: 1,
        keptUp: warnings.length === 0,
        warnings,
      },
      ...(this.#samples ? { samples: this.#samples } : {}),
    } satisfies Partial<VisitResult>;
  }

  #sample(intended: number, total: number, visit: Visit | undefined): void {
    const samples = this.#samples;
    if (!samples) return;
    samples.startMicros.push(Math.round(intended));
    samples.totalMicros.push(Math.round(total));
    samples.lateMicros.push(visit ? Math.round(visit.begun - visit.intended) : 0);
    samples.connectMicros.push(visit?.connected ? Math.round(visit.connected - visit.redirected) : 0);
    samples.secureMicros.push(visit?.secured ? Math.round(visit.secured - visit.connected) : 0);
    samples.firstByteMicros.push(visit?.firstByte ? Math.round(visit.firstByte - visit.secured) : 0);
    samples.workMicros.push(visit ? Math.round(visit.ownSecure + visit.ownFirstByte) : 0);
    samples.ports.push(visit?.port ?? 0);
  }
}

/** Whole microseconds: the histogram would keep the fraction in its maximum only. */
const record = (histogram: Histogram, micros: number) => histogram.recordValue(Math.round(micros));

const add = (counts: Record<string, number>, key: string) => {
  counts[key] = (counts[key] ?? 0) + 1;
};

function measure(histogram: Histogram): Measure {
  return { ...spread(histogram), histogram: encodeHistogram(histogram) };
}
