/**
 * Which code has run, by V8's own counters of blocks. They are in the code that is compiled after `start`: what is to be
 * observed must be imported later than that. They make that code some twenty times slower, and reading them takes
 * half a millisecond, so it is done once for a batch of inputs.
 */
import { type Profiler, Session } from 'node:inspector';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

export class Coverage {
  readonly #session = new Session();
  readonly #counts: boolean;

  /** Without `counts` nothing is ever new. */
  constructor(counts = true) {
    this.#counts = counts;
    this.#session.connect();
    if (!counts) return;
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Of these parts of the code, what runs from now on. */
  of(code: readonly string[]): Reached {
    this.#take();
    const prefixes = code.map((path) => pathToFileURL(root + path).href);
    return new Reached(() => this.#take().filter(({ url }) => prefixes.some((one) => url.startsWith(one))));
  }

  close(): void {
    if (this.#counts) this.#post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }

  /** What ran since it was asked last. */
  #take(): Profiler.ScriptCoverage[] {
    if (!this.#counts) return [];
    return (this.#post('Profiler.takePreciseCoverage') as Profiler.TakePreciseCoverageReturnType).result;
  }

  /** It answers before it returns. */
  #post(method: string, params?: object): unknown {
    let answer: unknown;
    this.#session.post(method, params, (error, result) => {
      if (error) throw error;
      answer = result;
    });
    return answer;
  }
}

/** Characters of scripts that ran for the first time. */
export type Gain = Map<string, Set<number>>;

/** What has been reached so far, as characters of the source: blocks overlap, and V8 joins those that ran equally often. */
export class Reached {
  readonly #take: () => Profiler.ScriptCoverage[];
  readonly #scripts = new Map<string, Uint8Array>();

  constructor(take: () => Profiler.ScriptCoverage[]) {
    this.#take = take;
  }

  /** Adds what ran since the last call; answers what of it had not run before. */
  grow(): Gain {
    const gain: Gain = new Map();
    for (const { url, functions } of this.#take()) {
      const now = paint(functions);
      const all = this.#known(url, now.length);
      const gained = new Set<number>();
      for (let i = 0; i < now.length; i++) {
        if (now[i] === IDLE && all[i] === 0) all[i] = IDLE;
        if (now[i] !== RAN || all[i] === RAN) continue;
        all[i] = RAN;
        gained.add(i);
      }
      if (gained.size > 0) gain.set(url, gained);
    }
    return gain;
  }

  /** Whether any of it ran since the last call. */
  touches(gain: Gain): boolean {
    return this.#ranOf(gain).some(([, ran]) => ran.length > 0);
  }

  /** Takes out of it what ran since the last call; answers whether that was anything. */
  claim(gain: Gain): boolean {
    let claimed = false;
    for (const [url, ran] of this.#ranOf(gain)) {
      const left = gain.get(url)!;
      for (const at of ran) claimed = left.delete(at) || claimed;
      if (left.size === 0) gain.delete(url);
    }
    return claimed;
  }

  #ranOf(gain: Gain): (readonly [url: string, ran: number[]])[] {
    return this.#take()
      .filter(({ url }) => gain.has(url))
      .map(({ url, functions }) => {
        const now = paint(functions);
        return [url, [...gain.get(url)!].filter((at) => now[at] === RAN)] as const;
      });
  }

  #known(url: string, length: number): Uint8Array {
    const before = this.#scripts.get(url) ?? new Uint8Array(0);
    if (before.length >= length) return before;
    const longer = new Uint8Array(length);
    longer.set(before);
    this.#scripts.set(url, longer);
    return longer;
  }

  /** Of the characters of all functions that are known, the share that has run. */
  get share(): number {
    let ran = 0;
    let known = 0;
    for (const characters of this.#scripts.values()) {
      for (const state of characters) {
        if (state !== 0) known++;
        if (state === RAN) ran++;
      }
    }
    return known === 0 ? 0 : ran / known;
  }
}

const IDLE = 1;
const RAN = 2;

/** Functions come from the outside in, and so do the ranges of each: the last that covers a character tells. */
function paint(functions: readonly Profiler.FunctionCoverage[]): Uint8Array {
  const ranges = functions
    // The module itself, which runs once at its import.
    .filter(({ functionName, ranges }) => functionName !== '' || ranges[0]!.startOffset > 0)
    .flatMap(({ ranges }) => ranges);
  const painted = new Uint8Array(Math.max(0, ...ranges.map(({ endOffset }) => endOffset)));
  for (const { startOffset, endOffset, count } of ranges)
    painted.fill(count > 0 ? RAN : IDLE, startOffset, endOffset);
  return painted;
}
