/** Looks at a head once a second: what it says of itself, and what its host's kernel counts. */
import { setTimeout as delay } from 'node:timers/promises';
import type { HeadStatus } from '../../shared/status.ts';
import { getStatus } from '../admin-client.ts';
import type { Kernel, KernelCounts } from './kernel.ts';

export interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly status: HeadStatus | undefined;
  /** Why there is none. */
  readonly silence: string | undefined;
  readonly kernel: KernelCounts;
}

export class Sampler {
  readonly #admin: string;
  readonly #kernel: Kernel;
  /** The question that is not answered yet. */
  #asking: Promise<HeadStatus> | undefined;
  #pid = 0;

  constructor(admin: string, kernel: Kernel) {
    this.#admin = admin;
    this.#kernel = kernel;
  }

  /** Takes no longer than `withinMs`: a head that is frozen answers later or never, and is asked once until it does. */
  async sample(withinMs: number): Promise<Sample> {
    this.#asking ??= this.#ask();
    const asking = this.#asking;
    const over = new AbortController();
    const late = delay(withinMs, 'it does not answer', { signal: over.signal }).catch(() => 'over');
    const answer = await Promise.race([asking, late]).catch((error: unknown) =>
      error instanceof Error ? error.message : String(error),
    );
    over.abort();
    const status = typeof answer === 'string' ? undefined : answer;
    if (status) this.#pid = status.pid;
    return {
      at: Date.now(),
      status,
      silence: typeof answer === 'string' ? answer : undefined,
      kernel: this.#pid > 0 ? this.#kernel.read(this.#pid) : {},
    };
  }

  #ask(): Promise<HeadStatus> {
    const asking = getStatus(this.#admin).finally(() => {
      this.#asking = undefined;
    });
    // Whoever waits for it hears of it.
    asking.catch(() => {});
    return asking;
  }
}
