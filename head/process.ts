/** The head of this process: what it consists of, in which order that starts, and in which it stops. */
import type { HeadSettings } from '../shared/config.ts';
import type { Logger } from '../shared/log.ts';
import { type HeadStatus, type Mode, modes, type Readiness, type Reloaded } from '../shared/status.ts';
import { parseHostPort } from '../shared/units.ts';
import { version } from '../shared/version.ts';
import { adminOf, socketOf } from './doors.ts';
import type { Head } from './head.ts';
import type { Inherited, OnSockets } from './inherited.ts';
import { checkSettings, type Limits, limitsOf } from './limits.ts';
import { createParts, type HeadParts, type Hub, timesOf } from './parts.ts';
import { readinessOf, sayReady } from './readiness.ts';
import { rehearseRegistration } from './rehearsal.ts';
import { type Applied, Reloads } from './reload.ts';
import type { Handed, TakeOver } from './take-over/successor.ts';
import { readConfiguredCertificates, TlsSide } from './tls/index.ts';
import type { Certificate } from './tls/messages.ts';
import type { FromWorker } from './worker-messages.ts';
import { tuningOf, workerSettings } from './worker-settings.ts';
import { Workers } from './workers.ts';

/** While it stops, how often it is looked whether everything has been passed on, milliseconds. */
const STOP_LOOK_MS = 20;

interface HeadProcessParts {
  readonly settings: HeadSettings;
  readonly log: Logger;
  /** What it is not given of sockets it opens itself. */
  readonly from: Inherited | TakeOver;
  /** How a successor is started; undefined for a head within another program. */
  readonly successor: readonly string[] | undefined;
  /** Throws a BatonError; undefined: there is no file of settings. */
  readonly readAgain: (() => HeadSettings) | undefined;
  readonly onSockets: OnSockets | undefined;
}

export class HeadProcess implements Head, Hub {
  readonly socket: string;
  readonly admin: string;
  ended: Promise<void> = Promise.resolve();
  /** In force. */
  settings: HeadSettings;
  workers: Workers | undefined;
  readonly #log: Logger;
  readonly #inherited: Inherited;
  readonly #takeOver: TakeOver | undefined;
  /** It may remove what others find it by. */
  #isHead: boolean;
  readonly reloads: Reloads;
  readonly #limits: Limits;
  readonly #parts: HeadParts;
  #tls: TlsSide | undefined;
  #lettingGo: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor({ settings, log, from, successor, readAgain, onSockets }: HeadProcessParts) {
    this.settings = settings;
    this.#log = log;
    this.#takeOver = 'inherited' in from ? from : undefined;
    const inherited = 'inherited' in from ? from.inherited : from;
    this.#inherited = inherited;
    this.#isHead = this.#takeOver === undefined;
    this.socket = socketOf(settings);
    this.admin = adminOf(settings);
    const { group } = checkSettings(settings, this.socket, this.admin);
    this.#limits = limitsOf(settings);
    this.reloads = new Reloads({
      readAgain,
      inForce: () => this.settings,
      fdCapacity: this.#limits.fdCapacity,
      apply: (read) => this.#apply(read),
      log,
    });
    this.#parts = createParts({ settings, log, group, inherited, successor, onSockets }, this);
  }

  get listen(): string {
    return this.#parts.listeners.address;
  }

  get metrics(): string | null {
    return this.#parts.doors.metrics;
  }

  get control(): string | null {
    return this.#parts.doors.remote?.control ?? null;
  }

  async start(): Promise<Head> {
    try {
      await this.#prepare();
      // Until it has been handed over nothing of it is this head's, and nobody is let in.
      const handed = await this.#takeOver?.complete(this.#parts.doors);
      this.#isHead = true;
      await this.#open(handed);
    } catch (error) {
      await this.#takeOver?.abort(error);
      this.workers?.tellAll({ type: this.#isHead ? 'stop' : 'release', withinMs: 0 });
      await this.workers?.ended.catch(() => {});
      await this.#cleanUp();
      this.#takeOver?.close();
      throw error;
    }
    this.ended = this.#watch();
    this.#parts.doors.watch();
    this.#parts.opening.waitForFirst(this.settings.firstDeliveryWithin);
    sayReady(this, this.settings, this.#tls !== undefined, this.#log);
    return this;
  }

  /** What can be refused is asked for first, before a visitor can come. */
  async #prepare(): Promise<void> {
    const { memory, listeners, doors } = this.#parts;
    await doors.listen(this.#takeOver === undefined);
    await doors.checkRemote();
    this.#openTls(readConfiguredCertificates(this.settings));
    await listeners.bind(this.settings, this.#inherited);
    await doors.openAhead(parseHostPort(this.listen)!.host);
    const isSuccessor = this.#takeOver !== undefined;
    this.workers = await Workers.start({
      settings: workerSettings(this.settings, this.#limits, memory, listeners.fds, isSuccessor),
      onMessage: (worker, message) => this.#onWorker(worker, message),
      stopWithinMs: () => this.settings.stopTimeout,
    });
    this.workers.tellAll({ type: 'tls-names', names: this.#tls?.names });
    if (isSuccessor) await rehearseRegistration(this.settings);
  }

  async #open(handed: Handed | undefined): Promise<void> {
    this.#parts.listeners.listen(this.settings.backlog);
    this.#parts.drained.load();
    if (handed) {
      if (handed.mode) this.#parts.scoreboard.setMode(handed.mode);
      this.#parts.opening.expect(handed, this.settings);
      this.workers!.adopt(handed.connections);
      await this.#parts.doors.openRemote(this.listen, handed, true);
      this.#parts.doors.deliveries.open();
    }
    await this.#parts.doors.admin.open();
    const last = await this.#takeOver?.rest((connections) => this.workers!.adopt(connections));
    if (last?.mode) this.#parts.scoreboard.setMode(last.mode);
    if (last?.isReloaded) void this.reload().catch(() => {});
    await this.#parts.doors.openMetrics();
    await this.#parts.doors.openRemote(this.listen, handed);
    this.#inherited.closeRest();
    this.#parts.tellSockets();
    if (!handed) this.#parts.doors.deliveries.open();
  }

  #onWorker(index: number, message: FromWorker): void {
    if (message.type === 'tls-begin') this.#tls?.begin(index, message.fd);
    else if (message.type === 'tls-answer') this.#tls?.answer(message.fd, message.bytes);
    else if (!this.#parts.doors.onWorker(index, message)) this.#parts.registry.onWorker(message);
  }

  #openTls(certificates: readonly Certificate[] | undefined): void {
    const { settings } = this;
    const { tell } = this.#parts;
    if (certificates && this.#tls) this.#tls.renew(certificates, settings);
    else if (certificates) this.#tls = new TlsSide({ certificates, settings, tell, log: this.#log });
    this.workers?.tellAll({ type: 'tls-names', names: certificates && this.#tls?.names });
  }

  // --- what an operator does with it ---

  get canReload(): boolean {
    return this.reloads.isPossible;
  }

  reload(): Promise<Reloaded> {
    return this.reloads.ask();
  }

  /** What an operator has switched stays, unless the file says something else now. */
  async #apply({ settings, connectionsAWorker, certificates }: Applied): Promise<void> {
    if (settings.mode !== this.settings.mode) this.setMode(settings.mode);
    this.settings = settings;
    this.#parts.registry.setTimes(timesOf(settings));
    this.#parts.distribution.set(settings);
    if (!this.#stopping) this.#openTls(certificates);
    await this.workers?.tune(tuningOf(settings, connectionsAWorker));
  }

  setMode(mode: Mode): void {
    this.#parts.scoreboard.setMode(mode);
    this.#log.info({ mode }, 'mode switched');
  }

  drain(name: string, on: boolean, move?: boolean): boolean {
    return this.#parts.registry.drain(name, on, move);
  }

  upgrade(): Promise<number> {
    return this.#parts.succession.upgrade();
  }

  departs(): void {
    this.#isHead = false;
    this.#parts.opening.close();
  }

  get isHandedOver(): boolean {
    return !this.#isHead;
  }

  isTurning(): boolean {
    return this.#parts.pulse.isThere();
  }

  get left(): Promise<number> {
    return this.#parts.departure.left;
  }

  /** Whether clients should come here, as far as another head could have them instead. */
  ready(): Readiness {
    const { registry, doors } = this.#parts;
    return readinessOf(this.#stopping !== undefined || !this.#isHead, registry, doors.remote);
  }

  status(): HeadStatus {
    const { workers } = this.settings;
    const listeners = this.#stopping ? [] : this.#parts.listeners.queues(workers);
    return {
      version,
      pid: process.pid,
      mode: modes[this.#parts.scoreboard.mode]!,
      ...this.#parts.distribution.status(),
      listen: this.listen,
      socket: this.socket,
      workers,
      backlog: listeners[0]?.backlog ?? 0,
      ...this.#parts.figures.all,
      listeners,
      migration: this.#parts.doors.remote?.status() ?? null,
      deliveries: this.#parts.registry.status(),
    };
  }

  // --- its end ---

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /**
   * The paths and the port are given back at once, so that a successor can start; deliveries are dropped, and find it, as
   * soon as nothing remains that could be handed to them. Then answers get the time that their clients need.
   */
  async #stop(): Promise<void> {
    if (!(await this.#parts.succession.abort())) return await this.ended;
    const { open, lingering } = this.status();
    this.#log.info({ open, lingering }, 'the head stops: it passes on what it has');
    this.#parts.opening.close();
    this.#parts.doors.giveBackPaths(!this.#isHead);
    this.workers?.tellAll({ type: 'stop', withinMs: this.settings.stopTimeout });
    this.#tls?.stop();
    const look = setInterval(() => {
      if (this.workers?.areClosed && this.#parts.figures.open === 0) void this.#letGo();
    }, STOP_LOOK_MS);
    await this.ended.finally(() => clearInterval(look));
    this.#log.info('the head has stopped');
  }

  async #watch(): Promise<void> {
    try {
      await this.workers!.ended;
    } finally {
      await this.#cleanUp();
    }
  }

  #letGo(): Promise<void> {
    this.#lettingGo ??= (async () => {
      await this.#parts.doors.remote?.settle();
      this.#parts.registry.close();
    })();
    return this.#lettingGo;
  }

  async #cleanUp(): Promise<void> {
    this.#parts.opening.close();
    this.#parts.doors.giveBackPaths(!this.#isHead);
    this.#inherited.closeRest();
    await this.#parts.doors.closeAhead();
    if (this.#isHead) {
      await this.#letGo();
      await this.#parts.doors.remote?.close();
    } else {
      this.#parts.registry.close(true);
      this.#parts.doors.remote?.closeTable();
    }
    await this.#tls?.close();
    await this.#parts.doors.closeMetrics();
    // Those of workers that ran are theirs, and closed by now.
    this.#parts.listeners.end(this.workers === undefined);
    this.#parts.doors.admin.close();
  }
}
