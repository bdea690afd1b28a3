/** The head of this process: what it consists of, in which order that starts, and in which it stops. */
import type { HeadSettings } from '../shared/config.ts';
import { BatonError } from '../shared/errors.ts';
import type { Logger } from '../shared/log.ts';
import type { Metrics } from '../shared/metrics.ts';
import { type MetricsServer, startMetricsServer } from '../shared/metrics-server.ts';
import { adminPathFor, defaultSocketPath } from '../shared/paths.ts';
import { type HeadStatus, type Mode, modes, type Reloaded } from '../shared/status.ts';
import { bindReuseport, joinListeners } from '../shared/sys/reuseport.ts';
import { closeFd, listen, listenQueue } from '../shared/sys/sockets.ts';
import { formatHostPort, parseHostPort } from '../shared/units.ts';
import { version } from '../shared/version.ts';
import { AdminDoor } from './admin.ts';
import { countsOf, growthOf, type Snapshot, takeSnapshot } from './counts.ts';
import { Drained } from './drained.ts';
import type { Head } from './head.ts';
import type { Inherited, InheritedSocket, SocketKind } from './inherited.ts';
import { checkSettings, connectionsWithin, type Limits, limitsOf } from './limits.ts';
import { readListenCounters } from './listen-counters.ts';
import { LocalDeliveries } from './local-deliveries.ts';
import { createMetrics } from './metrics.ts';
import { openRemote, type RemoteSide } from './migrate/index.ts';
import { Registry, type RegistryTimes } from './registry.ts';
import { changesTo, Reloads } from './reload.ts';
import { createScoreboardMemory, Scoreboard, WorkerCounters } from './scoreboard.ts';
import { SocketWatch } from './socket-watch.ts';
import { readConfiguredCertificates, TlsSide } from './tls/index.ts';
import type { Certificate } from './tls/messages.ts';
import type { FromWorker, ToWorker, Tuning } from './worker-messages.ts';
import { tuningOf, workerOf, workerSettings } from './worker-settings.ts';
import { Workers } from './workers.ts';

/** While it stops, how often it is looked whether everything has been passed on, milliseconds. */
const STOP_LOOK_MS = 20;

/** Told of the sockets that a head listens with, before it is ready and whenever one is replaced. They stay the head's. */
export type OnSockets = (sockets: readonly InheritedSocket[]) => void;

interface HeadProcessParts {
  readonly settings: HeadSettings;
  readonly log: Logger;
  /** What it is not given of sockets it opens itself. */
  readonly inherited: Inherited;
  /** Throws a BatonError; undefined: there is no file of settings. */
  readonly readAgain: (() => HeadSettings) | undefined;
  readonly onSockets: OnSockets | undefined;
}

const timesOf = ({ stallTimeout, forgetAfter }: HeadSettings): RegistryTimes => ({
  stallTimeoutMs: stallTimeout,
  forgetAfterMs: forgetAfter,
});

export class HeadProcess implements Head {
  readonly socket: string;
  readonly admin: string;
  listen = '';
  ended: Promise<void> = Promise.resolve();
  #settings: HeadSettings;
  readonly #inherited: Inherited;
  readonly #readAgain: (() => HeadSettings) | undefined;
  readonly #onSockets: OnSockets | undefined;
  readonly #reloads: Reloads;
  readonly #limits: Limits;
  readonly #log: Logger;
  readonly #scoreboard: Scoreboard;
  readonly #memory: ReturnType<typeof createScoreboardMemory>;
  readonly #rows: WorkerCounters[];
  readonly #localDeliveries: LocalDeliveries;
  readonly #metrics: Metrics;
  readonly #admin: AdminDoor;
  #metricsServer: MetricsServer | undefined;
  readonly #socketWatch: SocketWatch;
  readonly #startedAt = performance.now();
  readonly #kernelAtStart = readListenCounters();
  readonly #drained: Drained;
  readonly #registry: Registry;
  #remote: RemoteSide | undefined;
  #tls: TlsSide | undefined;
  #workers: Workers | undefined;
  #listeners: number[] = [];
  #waiting: NodeJS.Timeout | undefined;
  #tuned: (() => void) | undefined;
  #snapshot: Snapshot | undefined;
  #lettingGo: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor({ settings, log, inherited, readAgain, onSockets }: HeadProcessParts) {
    this.#settings = settings;
    this.#inherited = inherited;
    this.#readAgain = readAgain;
    this.#onSockets = onSockets;
    this.#reloads = new Reloads(() => this.#reload(), log);
    this.#log = log;
    this.socket = settings.socket ?? defaultSocketPath();
    this.admin = settings.adminSocket ?? adminPathFor(this.socket);
    const { group } = checkSettings(settings, this.socket, this.admin);
    this.#limits = limitsOf(settings);
    this.#memory = createScoreboardMemory(settings.workers);
    this.#scoreboard = new Scoreboard(this.#memory);
    this.#scoreboard.setMode(settings.mode);
    this.#rows = Array.from(
      { length: settings.workers },
      (_, worker) => new WorkerCounters(this.#memory, worker),
    );
    this.#drained = new Drained(this.socket, log);
    this.#registry = this.#openRegistry();
    this.#localDeliveries = new LocalDeliveries({ path: this.socket, group, registry: this.#registry, log });
    this.#metrics = this.#createMetrics();
    this.#admin = new AdminDoor(this.admin, this.#administered(), log);
    this.#socketWatch = new SocketWatch([this.#localDeliveries, this.#admin], log, () =>
      this.#onSockets?.(this.#sockets()),
    );
  }

  #administered() {
    return {
      status: () => this.status(),
      setMode: (mode: Mode) => this.setMode(mode),
      drain: (name: string, on: boolean) => this.drain(name, on),
      reload: () => this.reload(),
      metrics: this.#metrics,
    };
  }

  #createMetrics(): Metrics {
    return createMetrics({
      rows: this.#rows,
      status: () => this.status(),
      total: (name) => this.#counts().totals[name],
      migration: () => this.#remote?.measures,
    });
  }

  #tell = (worker: number, message: ToWorker): void => this.#workers?.tell(worker, message);

  get metrics(): string | null {
    return this.#metricsServer?.address ?? null;
  }

  get control(): string | null {
    return this.#remote?.control ?? null;
  }

  async start(): Promise<Head> {
    try {
      // What can be refused is asked for first, before a visitor can come.
      const inherited = this.#inherited;
      await inherited.open('deliveries', ([fd]) => this.#localDeliveries.listen(fd));
      this.#drained.load();
      await inherited.open('admin', ([fd]) => this.#admin.listen(fd));
      // Who has ended in order has removed the paths of sockets that were kept for us.
      for (const door of [this.#localDeliveries, this.#admin]) if (!door.isThere) await door.listenAgain();
      const { metrics } = this.#settings;
      if (metrics !== undefined) {
        const at = parseHostPort(metrics)!;
        const open = ([fd]: readonly number[]) => startMetricsServer(at, this.#metrics, fd);
        this.#metricsServer = await inherited.open('metrics', open);
      }
      const { backlog } = this.#settings;
      this.#openTls(readConfiguredCertificates(this.#settings));
      const { fds, bound } = await inherited.open('worker', (given) => this.#openListeners(given));
      this.#listeners = fds;
      this.listen = formatHostPort(bound);
      this.#workers = await this.#startWorkers();
      this.#workers.tellAll({ type: 'tls-names', names: this.#tls?.names });
      for (const fd of fds) listen(fd, backlog);
      this.#remote = await this.#openRemote(bound.host);
      inherited.closeRest();
      this.#onSockets?.(this.#sockets());
      // Only now can a delivery be welcomed: every worker is there to be told of it.
      this.#localDeliveries.open();
    } catch (error) {
      this.#workers?.tellAll({ type: 'stop', withinMs: 0 });
      await this.#workers?.ended.catch(() => {});
      await this.#cleanUp();
      throw error;
    }
    this.ended = this.#watch();
    this.#socketWatch.start();
    this.#waiting = setTimeout(() => this.#accept(), this.#settings.firstDeliveryWithin);
    const { mode, policy, workers } = this.#settings;
    const { listen: at, socket, admin, control } = this;
    this.#log.info(
      { version, listen: at, socket, admin, control, mode, policy, workers },
      'the head is ready',
    );
    if (mode !== 'handoff') {
      const who = this.#tls ? 'TLS for other names than its certificates have' : 'TLS';
      this.#log.info(`${who}, HTTP/2 and upgrades are handed over: their clients could follow no redirect`);
    }
    return this;
  }

  async #openRemote(listenHost: string): Promise<RemoteSide | undefined> {
    if (this.#settings.control === undefined) return undefined;
    return await this.#inherited.open('control', ([fd]) =>
      openRemote(this.#settings, listenHost, this.#registry, this.#tell, this.#log, fd),
    );
  }

  /** Those that it listens with, for whoever keeps copies of them. */
  #sockets(): InheritedSocket[] {
    const workers = this.#listeners.map((fd, index) => ({ kind: 'worker', index, fd }) as const);
    const others = {
      deliveries: this.#localDeliveries.fd,
      admin: this.#admin.fd,
      control: this.#remote?.controlFd,
      metrics: this.#metricsServer?.fd,
    };
    return [
      ...workers,
      ...Object.entries(others)
        .filter(([, fd]) => fd !== undefined && fd >= 0)
        .map(([kind, fd]) => ({ kind: kind as SocketKind, index: 0, fd: fd! })),
    ];
  }

  #openListeners(given: readonly number[]): ReturnType<typeof bindReuseport> {
    const { workers, backlog, listen } = this.#settings;
    const wanted = parseHostPort(listen)!;
    return given.length > 0 ? joinListeners(given, wanted, workers) : bindReuseport(wanted, workers, backlog);
  }

  /** A visitor who comes before the first delivery waits in the accept queue, for a while. */
  #accept(): void {
    if (!this.#waiting) return;
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
    this.#workers?.tellAll({ type: 'accept' });
  }

  #openRegistry(): Registry {
    return new Registry({
      scoreboard: this.#scoreboard,
      rows: this.#rows,
      tell: this.#tell,
      times: timesOf(this.#settings),
      drained: this.#drained,
      onUp: () => this.#accept(),
      log: this.#log,
    });
  }

  #startWorkers(): Promise<Workers> {
    return Workers.start({
      settings: workerSettings(this.#settings, this.#limits, this.#memory, this.#listeners),
      onMessage: (worker, message) => this.#onWorker(worker, message),
      stopWithinMs: () => this.#settings.stopTimeout,
    });
  }

  #onWorker(index: number, message: FromWorker): void {
    if (message.type === 'migrate') this.#remote?.migrate(index, message);
    else if (message.type === 'tls-begin') this.#tls?.begin(index, message.fd);
    else if (message.type === 'tls-answer') this.#tls?.answer(message.fd, message.bytes);
    else if (message.type === 'tuned') this.#tuned?.();
    else this.#registry.onWorker(message);
  }

  #openTls(certificates: readonly Certificate[] | undefined): void {
    if (certificates && this.#tls) this.#tls.renew(certificates, this.#settings);
    else if (certificates)
      this.#tls = new TlsSide({ certificates, settings: this.#settings, tell: this.#tell, log: this.#log });
    this.#workers?.tellAll({ type: 'tls-names', names: certificates && this.#tls?.names });
  }

  get canReload(): boolean {
    return this.#readAgain !== undefined || this.#settings.tlsCertificate !== undefined;
  }

  async reload(): Promise<Reloaded> {
    if (!this.canReload) throw new BatonError('NOTHING_TO_RELOAD');
    return await this.#reloads.ask();
  }

  /** Throws a BatonError before anything has changed. Resolves when every worker goes by it. */
  async #reload(): Promise<Reloaded> {
    const wanted = this.#readAgain?.() ?? this.#settings;
    const socket = wanted.socket ?? defaultSocketPath();
    checkSettings(wanted, socket, wanted.adminSocket ?? adminPathFor(socket));
    const { settings, changed, restart } = changesTo(wanted, this.#settings);
    const { fdCapacity } = this.#limits;
    const connections = connectionsWithin(fdCapacity, settings.workers, settings.maxConnections);
    const certificates = readConfiguredCertificates(settings);
    // From here on nothing of it can be refused. What an operator has switched stays, unless the file says something else now.
    if (settings.mode !== this.#settings.mode) this.setMode(settings.mode);
    this.#settings = settings;
    this.#registry.setTimes(timesOf(settings));
    if (!this.#stopping) this.#openTls(certificates);
    await this.#tune(tuningOf(settings, connections));
    return { changed, restart };
  }

  async #tune(tuning: Tuning): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    let left = this.#settings.workers;
    this.#tuned = () => --left === 0 && resolve();
    this.#workers?.tellAll({ type: 'tune', tuning });
    // A worker that has ended answers no more.
    await Promise.race([promise, this.ended.catch(() => {})]);
    this.#tuned = undefined;
  }

  async #watch(): Promise<void> {
    try {
      await this.#workers!.ended;
    } finally {
      await this.#cleanUp();
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /**
   * The paths and the port are given back at once, so that a successor can start; deliveries are dropped, and find it, as
   * soon as nothing remains that could be handed to them. Then answers get the time that their clients need.
   */
  async #stop(): Promise<void> {
    const { open, lingering } = this.status();
    this.#log.info({ open, lingering }, 'the head stops: it passes on what it has');
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
    this.#giveBackPaths();
    this.#workers?.tellAll({ type: 'stop', withinMs: this.#settings.stopTimeout });
    this.#tls?.stop();
    const look = setInterval(() => {
      if (this.#workers?.areClosed && takeSnapshot(this.#rows).totals.open === 0) void this.#letGo();
    }, STOP_LOOK_MS);
    await this.ended.finally(() => clearInterval(look));
    this.#log.info('the head has stopped');
  }

  #giveBackPaths(): void {
    this.#socketWatch.stop();
    this.#localDeliveries.stopListening();
    this.#admin.stopListening();
  }

  #letGo(): Promise<void> {
    this.#lettingGo ??= (async () => {
      await this.#remote?.settle();
      this.#registry.close();
    })();
    return this.#lettingGo;
  }

  async #cleanUp(): Promise<void> {
    this.#giveBackPaths();
    this.#inherited.closeRest();
    await this.#letGo();
    await this.#remote?.close();
    await this.#tls?.close();
    await this.#metricsServer?.close();
    this.#metricsServer = undefined;
    // Those of workers that ran are theirs, and closed by now.
    if (!this.#workers) this.#listeners.forEach(closeFd);
    this.#listeners = [];
    this.#admin.close();
  }

  setMode(mode: Mode): void {
    this.#scoreboard.setMode(mode);
    this.#log.info({ mode }, 'mode switched');
  }

  drain(name: string, on: boolean): void {
    this.#registry.drain(name, on);
  }

  /** The same for all that ask in one turn of the event loop: the figures of one answer agree with each other. */
  #counts(): Snapshot {
    if (!this.#snapshot) {
      this.#snapshot = takeSnapshot(this.#rows);
      setImmediate(() => {
        this.#snapshot = undefined;
      });
    }
    return this.#snapshot;
  }

  status(): HeadStatus {
    const cpu = process.cpuUsage();
    const listeners = this.#stopping
      ? []
      : this.#listeners.map((fd, i) => ({ worker: workerOf(i, this.#settings.workers), ...listenQueue(fd) }));
    return {
      version,
      pid: process.pid,
      mode: modes[this.#scoreboard.mode]!,
      policy: this.#settings.policy,
      listen: this.listen,
      socket: this.socket,
      workers: this.#settings.workers,
      backlog: listeners[0]?.backlog ?? 0,
      uptimeSeconds: (performance.now() - this.#startedAt) / 1000,
      cpu: { userMicros: cpu.user, systemMicros: cpu.system },
      ...countsOf(this.#counts()),
      listeners,
      kernel: growthOf(readListenCounters(), this.#kernelAtStart),
      migration: this.#remote?.status() ?? null,
      deliveries: this.#registry.status(),
    };
  }
}
