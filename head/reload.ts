/** Settings that are read again while the head runs: which of them may be other ones from then on, and how often that is done. */
import { setTimeout as delay } from 'node:timers/promises';
import { flagOf, type HeadSettings, headSchema } from '../shared/config.ts';
import type { Logger } from '../shared/log.ts';
import type { Reloaded } from '../shared/status.ts';

/** However many ask, files are read this often at most, milliseconds. */
const EVERY_MS = 100;

/** What is opened, sized or agreed upon with others at the start. Everything else may change. */
const needRestart: ReadonlySet<string> = new Set<keyof HeadSettings>([
  'listen',
  'workers',
  'socket',
  'group',
  'adminSocket',
  'metrics',
  'control',
  'secret',
  'interface',
  'flows',
  'holdUnknown',
  'expect',
  'readyWithin',
  'adoptTimeout',
  'ioUring',
]);

export interface Changes extends Reloaded {
  /** What is in force from now on. */
  readonly settings: HeadSettings;
}

/** From the settings `now` to those `wanted`, as far as that goes without a restart. */
export function changesTo(wanted: HeadSettings, now: HeadSettings): Changes {
  const keys = Object.keys(headSchema.shape) as (keyof HeadSettings)[];
  const different = keys.filter((key) => wanted[key] !== now[key]);
  const restart = different.filter((key) => needRestart.has(key));
  const kept = Object.fromEntries(restart.map((key) => [key, now[key]]));
  return {
    settings: { ...wanted, ...kept },
    changed: different.filter((key) => !needRestart.has(key)).map(flagOf),
    restart: restart.map(flagOf),
  };
}

/** One reload after the other; those who ask before one has begun share it. */
export class Reloads {
  readonly #run: () => Promise<Reloaded>;
  readonly #log: Logger;
  /** It has not read anything yet. */
  #next: Promise<Reloaded> | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #lastAt = Number.NEGATIVE_INFINITY;

  /** `run` throws a BatonError when what it finds is wrong, and has changed nothing then. */
  constructor(run: () => Promise<Reloaded>, log: Logger) {
    this.#run = run;
    this.#log = log;
  }

  /** Rejects with what is wrong with the settings. */
  ask(): Promise<Reloaded> {
    this.#next ??= this.#begin();
    return this.#next;
  }

  async #begin(): Promise<Reloaded> {
    await this.#running;
    const early = this.#lastAt + EVERY_MS - performance.now();
    if (early > 0) await delay(early);
    this.#lastAt = performance.now();
    this.#next = undefined;
    const run = this.#tellOf(this.#run());
    this.#running = run.catch(() => {});
    return await run;
  }

  async #tellOf(run: Promise<Reloaded>): Promise<Reloaded> {
    try {
      const reloaded = await run;
      const { changed, restart } = reloaded;
      this.#log.info({ changed }, 'the configuration was read again');
      if (restart.length > 0)
        this.#log.warn({ restart }, 'these settings take a restart, and stay as they were');
      return reloaded;
    } catch (error) {
      this.#log.error({ problem: (error as Error).message }, 'the configuration stays as it was');
      throw error;
    }
  }
}
