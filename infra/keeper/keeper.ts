/**
 * Starts a head, keeps copies of the sockets that it listens with, and starts it again with them when it dies: clients and deliveries
 * wait in their queues meanwhile. It plays the part that systemd plays where there is one (its store of fds, sd_notify(3)), so
 * that a head knows of one way only. Nothing of a client ever passes here.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Logger } from '../../shared/log.ts';
import { watchProcess } from '../../shared/sys/pidfd.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import type { GivenSocket } from '../supervision/given.ts';
import { type Mail, Mailbox } from './mailbox.ts';
import { Patience } from './patience.ts';
import { Vigil } from './vigil.ts';

/** A head that is not ready after so long, milliseconds, will not be. */
const READY_WITHIN_MS = 60_000;
/** Sockets that are kept at most. */
const SOCKETS_MAX = 1024;
const NAME = /^[\w.-]{1,64}$/;

export interface KeeperParts {
  /** A program and its arguments. */
  readonly command: readonly string[];
  /** Sockets that the keeper itself was given for its heads. */
  readonly given: readonly GivenSocket[];
  /** A head that does not say for so long that it turns is ended, and the next one starts; milliseconds, 0: none is. */
  readonly watchdogMs: number;
  /** The first head is ready. */
  readonly onReady: () => void;
  readonly log: Logger;
}

/** The head of the moment. */
interface Running {
  readonly pid: number;
  readyAt: number | undefined;
  /** It has said that it stops in order. */
  isStopping: boolean;
}

export class Keeper {
  /** Resolves with an exit code when there is no head and will be none. */
  readonly ended: Promise<number>;
  readonly #parts: KeeperParts;
  readonly #mailbox: Mailbox;
  /** By name. */
  readonly #kept = new Map<string, number>();
  readonly #patience = new Patience();
  readonly #vigil: Vigil | undefined;
  readonly #end: (code: number) => void;
  #head: Running | undefined;
  #wasReady = false;
  #isStopping = false;
  #timer: NodeJS.Timeout | undefined;
  #stopWatching = (): void => {};

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.#mailbox = new Mailbox((mail) => this.#onMail(mail));
    if (parts.watchdogMs > 0)
      this.#vigil = new Vigil(
        parts.watchdogMs,
        () => this.#mailbox.read(),
        () => this.#onSilence(),
      );
    const { promise, resolve } = Promise.withResolvers<number>();
    this.ended = promise;
    this.#end = resolve;
  }

  /** Starts a head: the first, and each that follows one that has died. */
  start(): void {
    if (this.#isStopping) return;
    const { command, given, watchdogMs } = this.#parts;
    const sockets = [...given.map(({ name, fd }) => [name, fd] as const), ...this.#kept];
    const { LISTEN_PID: _, WATCHDOG_USEC: __, WATCHDOG_PID: ___, ...env } = process.env;
    const child = spawn(command[0]!, command.slice(1), {
      // Signals of a terminal are for the keeper, which passes them on once; and its own end ends no head.
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', ...sockets.map(([, fd]) => fd)],
      env: {
        ...env,
        NOTIFY_SOCKET: this.#mailbox.path,
        ...(watchdogMs > 0 && { WATCHDOG_USEC: String(watchdogMs * 1000) }),
        BATON_KEEPER_PID: String(process.pid),
        LISTEN_FDS: String(sockets.length),
        LISTEN_FDNAMES: sockets.map(([name]) => name).join(':'),
      },
    });
    child.once('error', (error) => this.#onEnd(child, error.message, 1));
    child.once('exit', (code, signal) => {
      this.#onEnd(child, signal ? `ended by ${signal}` : `exit code ${code}`, code ?? 1);
    });
    this.#head = { pid: child.pid ?? -1, readyAt: undefined, isStopping: false };
    this.#timer = setTimeout(() => this.#giveUpOn(this.#head!), READY_WITHIN_MS);
  }

  #giveUpOn({ pid }: Running): void {
    this.#parts.log.error(
      { headPid: pid },
      `the head was not ready within ${READY_WITHIN_MS / 1000} s: it is killed`,
    );
    this.signal('SIGKILL');
  }

  #onMail({ words, fds }: Mail): void {
    const name = words.get('FDNAME') ?? '';
    if (words.get('FDSTOREREMOVE') === '1') this.#forget(name);
    const [fd, ...more] = fds;
    if (fd !== undefined && words.get('FDSTORE') === '1') this.#keep(name, fd);
    else if (fd !== undefined) closeFd(fd);
    // A file name for several, which no head says.
    more.forEach(closeFd);
    const mainPid = Number(words.get('MAINPID') ?? Number.NaN);
    if (Number.isSafeInteger(mainPid)) this.#follow(mainPid, words.get('READY') === '1');
    if (words.get('WATCHDOG') === '1') this.#vigil?.heard();
    if (words.get('READY') === '1') this.#ready();
    if (words.get('STOPPING') === '1' && this.#head) this.#head.isStopping = true;
  }

  #keep(name: string, fd: number): void {
    if (!NAME.test(name) || this.#kept.size >= SOCKETS_MAX || this.#isStopping) return closeFd(fd);
    this.#forget(name);
    this.#kept.set(name, fd);
  }

  #forget(name: string): void {
    const fd = this.#kept.get(name);
    this.#kept.delete(name);
    if (fd !== undefined) closeFd(fd);
  }

  #ready(): void {
    if (!this.#head || this.#head.readyAt !== undefined) return;
    clearTimeout(this.#timer);
    this.#head.readyAt = performance.now();
    this.#vigil?.begin();
    const { pid } = this.#head;
    if (this.#wasReady) this.#parts.log.info({ headPid: pid, kept: this.#kept.size }, 'another head goes on');
    else this.#parts.onReady();
    this.#wasReady = true;
  }

  /** Another process is the head from here on: the successor in an upgrade, which is no child of ours. */
  #follow(pid: number, saysSoItself: boolean): void {
    if (!this.#head || this.#head.pid === pid || pid <= 1) return;
    const head: Running = { pid, readyAt: performance.now(), isStopping: false };
    this.#stopWatching();
    try {
      this.#stopWatching = watchProcess(pid, () => this.#onEndOf(head, 'it has ended', 0));
    } catch (error) {
      return this.#parts.log.warn({ headPid: pid }, `it cannot be followed: ${(error as Error).message}`);
    }
    clearTimeout(this.#timer);
    // One that was started by hand says nothing here, and is watched from its first word on, should there be one.
    if (saysSoItself) this.#vigil?.begin();
    else this.#vigil?.end();
    this.#head = head;
    this.#wasReady = true;
    this.#parts.log.info({ headPid: pid }, 'the head has a successor');
  }

  #onEnd(child: ChildProcess, how: string, code: number): void {
    // What it said last may still be there to be read.
    this.#mailbox.read();
    const head = this.#head;
    // One that has a successor is not missed.
    if (head && (child.pid === undefined || child.pid === head.pid)) this.#onEndOf(head, how, code);
  }

  #onEndOf(head: Running, how: string, code: number): void {
    this.#mailbox.read();
    if (this.#head !== head) return;
    clearTimeout(this.#timer);
    this.#vigil?.end();
    this.#head = undefined;
    const { pid: headPid, readyAt, isStopping } = head;
    const { log } = this.#parts;
    // Somebody has told it, and not us, to stop: who wants another one starts another one.
    if (this.#isStopping || isStopping) return this.#finish(code);
    if (!this.#wasReady) {
      log.error({ headPid }, `the head ended before it was ready (${how}): it is not started again`);
      return this.#finish(code === 0 ? 1 : code);
    }
    const waitMs = this.#patience.next(readyAt === undefined ? undefined : performance.now() - readyAt);
    if (waitMs === undefined) {
      log.error(
        { headPid },
        `the head ended (${how}), as those before it did without ever being ready: none is started any more`,
      );
      return this.#finish(1);
    }
    const when = waitMs === 0 ? 'at once' : `in ${waitMs} ms`;
    log.error({ headPid, kept: this.#kept.size }, `the head has died (${how}); the next one starts ${when}`);
    if (waitMs === 0) this.start();
    else this.#timer = setTimeout(() => this.start(), waitMs);
  }

  /** It may be stopped, and then no other signal reaches it. */
  #onSilence(): void {
    if (!this.#head) return;
    const seconds = this.#parts.watchdogMs / 1000;
    this.#parts.log.error(
      { headPid: this.#head.pid },
      `the head stands still: not a word of it for ${seconds} s, so that it is killed`,
    );
    this.signal('SIGKILL');
  }

  /** Passes a signal on to the head. */
  signal(name: NodeJS.Signals): void {
    if (!this.#head || this.#head.pid <= 1) return;
    try {
      process.kill(this.#head.pid, name);
    } catch {
      // It has just ended.
    }
  }

  /** Has the head stop in order, and starts no other. Who comes from now on is refused as soon as it has closed its listeners. */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    clearTimeout(this.#timer);
    this.#closeSockets();
    if (this.#head) this.signal('SIGTERM');
    else this.#finish(0);
  }

  #closeSockets(): void {
    for (const name of [...this.#kept.keys()]) this.#forget(name);
    for (const { fd } of this.#parts.given) closeFd(fd);
  }

  #finish(code: number): void {
    if (!this.#isStopping) this.#closeSockets();
    this.#isStopping = true;
    this.#stopWatching();
    this.#mailbox.close();
    this.#end(code);
  }
}
