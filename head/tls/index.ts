/**
 * TLS that the head speaks itself, for the modes that answer: a thread of its own, started where there is a certificate. A
 * worker gives it a connection's fd, hears what the client sends, and gives the answer; the fd stays the worker's.
 */
import { Worker } from 'node:worker_threads';
import type { HeadSettings } from '../../shared/config.ts';
import { BatonError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';
import type { ToWorker } from '../worker-messages.ts';
import { readCertificates } from './certificates.ts';
import type { Certificate, FromTls, TlsLimits, ToTls } from './messages.ts';

// Built, the thread is a .js file as this one is.
const entry = new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url);
/** A thread that has failed is followed by another, at once, but so long after it had begun at the least, milliseconds. */
const AGAIN_AFTER_MS = 1000;

/** Undefined where there are none. Throws CERTIFICATE_UNUSABLE, and BAD_OPTION for the one without the other. */
export function readConfiguredCertificates(settings: HeadSettings): readonly Certificate[] | undefined {
  const { tlsCertificate: certificates, tlsKey: keys } = settings;
  if (certificates === undefined && keys === undefined) return undefined;
  if (certificates === undefined || keys === undefined) {
    const [option, other] =
      keys === undefined ? ['--tls-key', '--tls-certificate'] : ['--tls-certificate', '--tls-key'];
    throw new BatonError('BAD_OPTION', { option, problem: `expected with ${other}`, value: 'nothing' });
  }
  return readCertificates(certificates, keys);
}

const limitsOf = (settings: HeadSettings): TlsLimits => ({
  headTimeoutMs: settings.headTimeout,
  headBytes: settings.headBytes,
  lingerIdleMs: settings.lingerIdle,
  lingerTotalMs: settings.lingerTotal,
  lingerBytes: settings.lingerBytes,
});

interface TlsParts {
  readonly certificates: readonly Certificate[];
  readonly settings: HeadSettings;
  readonly tell: (worker: number, message: ToWorker) => void;
  readonly log: Logger;
}

export class TlsSide {
  readonly #parts: TlsParts;
  #certificates: readonly Certificate[];
  #limits: TlsLimits;
  #thread: Worker | undefined;
  #startedAt = 0;
  #again: NodeJS.Timeout | undefined;
  /** By fd: the worker that a connection belongs to. */
  readonly #workers = new Map<number, number>();
  #closed = false;

  constructor(parts: TlsParts) {
    this.#parts = parts;
    this.#certificates = parts.certificates;
    this.#limits = limitsOf(parts.settings);
    this.#start();
  }

  /** Every name that there is a certificate for. */
  get names(): readonly string[] {
    return this.#certificates.flatMap(({ names }) => names);
  }

  #start(): void {
    this.#startedAt = performance.now();
    const thread = new Worker(entry, { workerData: this.#limits, name: 'tls' });
    this.#thread = thread;
    let problem: string | undefined;
    thread.on('message', (message: FromTls) => this.#hear(message));
    thread.once('error', (error) => {
      // Whatever was thrown.
      problem = error instanceof Error ? error.message : String(error);
    });
    thread.once('exit', (code) => this.#ended(problem ?? `it has ended (${code})`));
    this.#say({ type: 'certificates', certificates: this.#certificates });
  }

  #ended(problem: string): void {
    this.#thread = undefined;
    const lost = [...this.#workers.keys()];
    for (const fd of lost) this.#hear({ type: 'over', fd, whole: false, lost: true });
    if (this.#closed) return;
    this.#parts.log.error(
      { problem, lost: lost.length },
      'the TLS thread has failed, and is started again; its connections are lost',
    );
    const wait = this.#startedAt + AGAIN_AFTER_MS - performance.now();
    if (wait <= 0) this.#startAgain();
    else this.#again = setTimeout(() => this.#startAgain(), wait);
  }

  /** Where the system has no thread to give, later. */
  #startAgain(): void {
    try {
      this.#start();
    } catch (error) {
      this.#parts.log.error(
        { problem: (error as Error).message },
        'the TLS thread cannot be started; tried again',
      );
      this.#again = setTimeout(() => this.#startAgain(), AGAIN_AFTER_MS);
    }
  }

  #say(message: ToTls): void {
    this.#thread?.postMessage(message);
  }

  #hear(message: FromTls): void {
    const worker = this.#workers.get(message.fd);
    if (worker === undefined) return;
    if (message.type === 'over') this.#workers.delete(message.fd);
    this.#parts.tell(worker, {
      ...message,
      type: message.type === 'over' ? 'tls-over' : 'tls-heard',
    } as ToWorker);
  }

  begin(worker: number, fd: number): void {
    this.#workers.set(fd, worker);
    if (this.#thread) this.#say({ type: 'begin', fd });
    else this.#hear({ type: 'over', fd, whole: false, lost: true });
  }

  answer(fd: number, bytes: Uint8Array): void {
    this.#say({ type: 'answer', fd, bytes });
  }

  /** Goes on with these; whose handshake is under way keeps those that it began with. */
  renew(certificates: readonly Certificate[], settings: HeadSettings): void {
    this.#certificates = certificates;
    this.#limits = limitsOf(settings);
    this.#say({ type: 'certificates', certificates });
    this.#say({ type: 'limits', limits: this.#limits });
  }

  stop(): void {
    this.#say({ type: 'stop' });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#again);
    await this.#thread?.terminate();
  }
}
