/** Settings that are read again while the head runs: which of them may be other ones from then on, and how often that is done. */
import { setTimeout as delay } from 'node:timers/promises';
import { flagOf, type HeadSettings, headSchema } from '../shared/config.ts';
import { BatonError } from '../shared/errors.ts';
import type { Logger } from '../shared/log.ts';
import type { Reloaded } from '../shared/status.ts';
import { adminOf, socketOf } from './doors.ts';
import { checkSettings, connectionsWithin } from './limits.ts';
import { readConfiguredCertificates } from './tls/index.ts';
import type { Certificate } from './tls/messages.ts';

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

interface Changes extends Reloaded {
  /** What is in force from now on. */
  readonly settings: HeadSettings;
}

/** From the settings `now` to those `wanted`, as far as that goes without a restart. */
function changesTo(wanted: HeadSettings, now: HeadSettings): Changes {
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

/** What has been read and can be gone by. */
export interface Applied {
  readonly settings: HeadSettings;
  readonly connectionsAWorker: number;
  readonly certificates: readonly Certificate[] | undefined;
}

export interface ReloadsParts {
  /** Throws a BatonError; undefined: there is no file of settings. */
  readonly readAgain: (() => HeadSettings) | undefined;
  readonly inForce: () => HeadSettings;
  /** The head's limit on open files, by which its tables are sized. */
  readonly fdCapacity: number;
  /** Goes by these; resolves when every worker does. Nothing of it can be refused. */
  readonly apply: (changed: Applied) => Promise<void>;
  readonly log: Logger;
}

/** One reload after the other; those who ask before one has begun share it. */
export class Reloads {
  readonly #parts: ReloadsParts;
  /** It has not read anything yet. */
  #next: Promise<Reloaded> | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #lastAt = Number.NEGATIVE_INFINITY;
  #doneAt: number | undefined;

  constructor(parts: ReloadsParts) {
    this.#parts = parts;
  }

  /** There is something to read. */
  get isPossible(): boolean {
    return this.#parts.readAgain !== undefined || this.#parts.inForce().tlsCertificate !== undefined;
  }

  /** When something was read that is in force, milliseconds of performance.now(). */
  get doneAt(): number | undefined {
    return this.#doneAt;
  }

  /** Rejects with what is wrong with the settings, and nothing has changed then. */
  async ask(): Promise<Reloaded> {
    if (!this.isPossible) throw new BatonError('NOTHING_TO_RELOAD');
    this.#next ??= this.#begin();
    return await this.#next;
  }

  async #begin(): Promise<Reloaded> {
    await this.#running;
    const early = this.#lastAt + EVERY_MS - performance.now();
    if (early > 0) await delay(early);
    this.#lastAt = performance.now();
    this.#next = undefined;
    const run = this.#tellOf(this.#reload());
    this.#running = run.catch(() => {});
    return await run;
  }

  async #reload(): Promise<Reloaded> {
    const { readAgain, inForce, fdCapacity, apply } = this.#parts;
    const wanted = readAgain?.() ?? inForce();
    checkSettings(wanted, socketOf(wanted), adminOf(wanted));
    const { settings, changed, restart } = changesTo(wanted, inForce());
    const connectionsAWorker = connectionsWithin(fdCapacity, settings.workers, settings.maxConnections);
    const certificates = readConfiguredCertificates(settings);
    // From here on nothing of it can be refused.
    await apply({ settings, connectionsAWorker, certificates });
    return { changed, restart };
  }

  async #tellOf(run: Promise<Reloaded>): Promise<Reloaded> {
    const { log } = this.#parts;
    try {
      const reloaded = await run;
      this.#doneAt = performance.now();
      const { changed, restart } = reloaded;
      log.info({ changed }, 'the configuration was read again');
      if (restart.length > 0) log.warn({ restart }, 'these settings take a restart, and stay as they were');
      return reloaded;
    } catch (error) {
      log.error({ problem: (error as Error).message }, 'the configuration stays as it was');
      throw error;
    }
  }
}
