/**
 * Gives a target inputs without end: those of its corpus first, then new ones, made by the target or by changing one that
 * is kept. An input that reaches code that no other reached, or comes to something new, is kept for this run. The same
 * seed, corpus and number of inputs give the same run.
 */
import { getHeapStatistics } from 'node:v8';
import type { Gain, Reached } from './coverage.ts';
import { Dice } from './dice.ts';
import { mutate } from './mutate.ts';
import { shrink } from './shrink.ts';
import type { Target } from './target.ts';

/** Inputs between two looks at what was reached and at the memory: more of them when there is nothing new for long. */
const BATCH_MIN = 16;
const BATCH_MAX = 1024;
/** And fewer where each takes its time. */
const BATCH_MILLIS = 200;
const TOGETHER = 8;
/** What one input may take, measured alone, at its best of three. */
const MILLIS_MAX = 100;
const MILLIS_A_BYTE_MAX = 0.02;
/** Far above the garbage of the checks themselves. */
const MEMORY_MAX = 64 << 20;
const MEMORY_A_BYTE_MAX = 256;
/** Results that are told apart: a target whose answers have no end must not keep every input. */
const RESULTS_MAX = 2000;
const LONGEST = 4096;

export interface Failure {
  readonly input: Uint8Array;
  /** The smallest that fails in the same way. */
  readonly shrunk: Uint8Array;
  readonly problem: string;
}

export class Fuzzer {
  inputs = 0;
  /** By what they came to. */
  readonly results = new Map<string, number>();
  /** Inputs of this run that reached new code. */
  readonly found: Uint8Array[] = [];
  readonly reached: Reached;
  readonly #target: Target;
  readonly #dice: Dice;
  readonly #words: readonly Uint8Array[];
  /** Those of the corpus that have not been given yet. */
  readonly #first: Uint8Array[];
  /** What new inputs are made of. */
  readonly #corpus: Uint8Array[];
  #size = 1;

  constructor(target: Target, reached: Reached, corpus: readonly Uint8Array[], seed: number) {
    this.#target = target;
    this.reached = reached;
    this.#dice = new Dice(seed);
    this.#words = (target.words ?? []).map((word) =>
      typeof word === 'string' ? Buffer.from(word, 'latin1') : word,
    );
    this.#first = [...corpus];
    this.#corpus = [...corpus];
  }

  /** One batch, of `most` at most; a failure, when there was one. */
  async run(most = BATCH_MAX): Promise<Failure | undefined> {
    const batch = Array.from({ length: Math.min(this.#size, most) }, () => this.#next());
    const fresh = new Set<Uint8Array>();
    const suspects: Uint8Array[] = [];
    const before = memoryUsed();
    const began = performance.now();
    for (const input of batch) {
      this.inputs++;
      const begun = performance.now();
      try {
        if (this.#count(await this.#target.check(input))) fresh.add(input);
      } catch (error) {
        return await this.#fail(input, problemOf(error));
      }
      if (performance.now() - begun > this.#millis) suspects.push(input);
    }
    for (const input of memoryUsed() - before > MEMORY_MAX ? batch : suspects) {
      const problem = await this.#excess(input);
      if (problem !== undefined) return await this.#fail(input, problem);
    }
    const gain = this.reached.grow();
    const pace = Math.ceil((batch.length * BATCH_MILLIS) / (performance.now() - began));
    this.#size = Math.min(pace, gain.size > 0 ? BATCH_MIN : Math.min(BATCH_MAX, this.#size * 2));
    const reachers = await this.#whoReached(gain, batch);
    this.found.push(...reachers);
    this.#corpus.push(...new Set([...fresh, ...reachers]));
    return undefined;
  }

  /** Found out by giving them once more, some together and then one by one. */
  async #whoReached(gain: Gain, batch: readonly Uint8Array[]): Promise<Uint8Array[]> {
    if (batch.length === 1) return gain.size > 0 ? [...batch] : [];
    const found: Uint8Array[] = [];
    for (let at = 0; at < batch.length && gain.size > 0; at += TOGETHER) {
      const some = batch.slice(at, at + TOGETHER);
      for (const input of some) await this.#target.check(input);
      if (!this.reached.touches(gain)) continue;
      for (const input of some) {
        await this.#target.check(input);
        if (this.reached.claim(gain)) found.push(input);
      }
    }
    return found;
  }

  /** What is wrong with one input; undefined for nothing. */
  async examine(input: Uint8Array): Promise<string | undefined> {
    return (await this.#breaks(input)) ?? (await this.#excess(input));
  }

  async #breaks(input: Uint8Array): Promise<string | undefined> {
    try {
      await this.#target.check(input);
      return undefined;
    } catch (error) {
      return problemOf(error);
    }
  }

  #next(): Uint8Array {
    const first = this.#first.shift();
    if (first) return first;
    const longest = this.#target.longest ?? LONGEST;
    const generate = this.#target.generate?.bind(this.#target);
    const source =
      this.#corpus.length === 0 || (generate && this.#dice.oneIn(3)) ? generate?.(this.#dice) : undefined;
    if (source && this.#dice.oneIn(3)) return source;
    const from = source ?? this.#dice.pick(this.#corpus) ?? new Uint8Array(0);
    return mutate(this.#dice, from, { words: this.#words, corpus: this.#corpus }, longest);
  }

  get #millis(): number {
    return this.#target.millis ?? MILLIS_MAX;
  }

  #count(result: string): boolean {
    const before = this.results.get(result);
    if (before === undefined && this.results.size >= RESULTS_MAX) return false;
    this.results.set(result, (before ?? 0) + 1);
    return before === undefined;
  }

  /** Whether it takes too long or too much, at its best of three. */
  async #excess(input: Uint8Array): Promise<string | undefined> {
    let millis = Number.POSITIVE_INFINITY;
    let memory = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 3; i++) {
      const before = { millis: cpuMillis(), memory: memoryUsed() };
      await this.#target.check(input);
      millis = Math.min(millis, cpuMillis() - before.millis);
      memory = Math.min(memory, memoryUsed() - before.memory);
    }
    if (millis > this.#millis + input.length * MILLIS_A_BYTE_MAX) return `takes ${millis.toFixed(0)} ms`;
    if (memory > MEMORY_MAX + input.length * MEMORY_A_BYTE_MAX) return `takes ${memory} bytes of memory`;
    return undefined;
  }

  async #fail(input: Uint8Array, problem: string): Promise<Failure> {
    // Figures and excerpts in it may differ from input to input.
    const kind = (text = '') => text.replace(/:.*/s, '').replace(/\d+/g, 'N');
    const isExcess = (await this.#breaks(input)) === undefined;
    const fails = async (smaller: Uint8Array) =>
      kind(await (isExcess ? this.examine(smaller) : this.#breaks(smaller))) === kind(problem);
    const shrunk = await shrink(input, fails);
    return { input, shrunk, problem: (await this.examine(shrunk)) ?? problem };
  }
}

/** Of this thread where Node tells, so that a busy machine is no failure. */
function cpuMillis(): number {
  const { user, system } = process.threadCpuUsage?.() ?? process.cpuUsage();
  return (user + system) / 1000;
}

function memoryUsed(): number {
  const { used_heap_size: heap, external_memory: external, malloced_memory: malloced } = getHeapStatistics();
  return heap + external + malloced;
}

const problemOf = (error: unknown): string =>
  error instanceof Error
    ? error.constructor === Error
      ? error.message
      : `${error.name}: ${error.message}`
    : String(error);
