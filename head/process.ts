/** The head of this process: what it consists of, in which order that starts, and in which it stops. */
import type { HeadSettings } from '../shared/config.ts';
import type { Logger } from '../shared/log.ts';
import type { Metrics } from '../shared/metrics.ts';
import { type MetricsServer, startMetricsServer } from '../shared/metrics-server.ts';
import { adminPathFor, defaultSocketPath } from '../shared/paths.ts';
import { type HeadStatus, type Mode, modes } from '../shared/status.ts';
import { bindReuseport } from '../shared/sys/reuseport.ts';
import { closeFd, listen, listenQueue } from '../shared/sys/sockets.ts';
import { formatHostPort, parseHostPort } from '../shared/units.ts';
import { version } from '../shared/version.ts';
import { AdminDoor } from './admin.ts';
import { countsOf, growthOf, type Snapshot, takeSnapshot } from './counts.ts';
import { Drained } from './drained.ts';
import type { Head } from './head.ts';
import { checkSettings, type Limits, limitsOf } from './limits.ts';
import { readListenCounters } from './listen-counters.ts';
import { LocalDeliveries } from './local-deliveries.ts';
import { createMetrics } from './metrics.ts';
import { openRemote, type RemoteSide } from './migrate/index.ts';
import { Registry } from './registry.ts';
import { createScoreboardMemory, Scoreboard, WorkerCounters } from './scoreboard.ts';
import { SocketWatch } from './socket-watch.ts';
import { openTls, type TlsSide } from './tls/index.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';
import { workerSettings } from './worker-settings.ts';
import { Workers } from './workers.ts';

/** While it stops, how often it is looked whether everything has been passed on, milliseconds. */
const STOP_LOOK_MS = 20;
/** Of the time for the first delivery. */
const WAITING_PARTS = 10;

export class HeadProcess implements Head {
  readonly socket: string;
  readonly admin: string;
  listen = '';
  ended: Promise<void> = Promise.resolve();
  readonly #settings: HeadSettings;
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
  #snapshot: Snapshot | undefined;
  #lettingGo: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(settings: HeadSettings, log: Logger) {
    this.#settings = settings;
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
    this.#socketWatch = new SocketWatch([this.#localDeliveries, this.#admin], log);
  }

  #administered() {
    return {
      status: () => this.status(),
      setMode: (mode: Mode) => this.setMode(mode),
      drain: (name: string, on: boolean) => this.drain(name, on),
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
      await this.#localDeliveries.listen();
      this.#drained.load();
      await this.#admin.listen();
      const { metrics } = this.#settings;
      if (metrics !== undefined)
        this.#metricsServer = await startMetricsServer(parseHostPort(metrics)!, this.#metrics);
      const { workers: count, backlog } = this.#settings;
      this.#tls = openTls(this.#settings, this.#tell, this.#log);
      const wanted = parseHostPort(this.#settings.listen)!;
      const { fds, bound } = await bindReuseport(wanted, count, backlog);
      this.#listeners = fds;
      this.listen = formatHostPort(bound);
      this.#workers = await this.#startWorkers();
      this.#tellNames();
      for (const fd of fds) listen(fd, backlog);
      this.#remote = await openRemote(this.#settings, bound.host, this.#registry, this.#tell, this.#log);
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
    this.#waitForDelivery(this.#settings.firstDeliveryWithin);
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

  /**
   * In parts, since a process that was stopped finds its timers due before it hears who has come meanwhile: of the time that
   * it was stopped for, one part counts.
   */
  #waitForDelivery(withinMs: number): void {
    let left = WAITING_PARTS;
    this.#waiting = setInterval(() => --left === 0 && this.#accept(), withinMs / WAITING_PARTS);
  }

  /** A visitor who comes before the first delivery waits in the accept queue, for a while. */
  #accept(): void {
    if (!this.#waiting) return;
    clearInterval(this.#waiting);
    this.#waiting = undefined;
    this.#workers?.tellAll({ type: 'accept' });
  }

  #openRegistry(): Registry {
    const { stallTimeout, forgetAfter } = this.#settings;
    return new Registry({
      scoreboard: this.#scoreboard,
      rows: this.#rows,
      tell: this.#tell,
      stallTimeoutMs: stallTimeout,
      forgetAfterMs: forgetAfter,
      drained: this.#drained,
      onUp: () => this.#accept(),
      log: this.#log,
    });
  }

  #startWorkers(): Promise<Workers> {
    return Workers.start({
      settings: workerSettings(this.#settings, this.#limits, this.#memory, this.#listeners),
      onMessage: (worker, message) => this.#onWorker(worker, message),
      stopWithinMs: this.#settings.stopTimeout,
    });
  }

  #onWorker(index: number, message: FromWorker): void {
    if (message.type === 'migrate') this.#remote?.migrate(index, message);
    else if (message.type === 'tls-begin') this.#tls?.begin(index, message.fd);
    else if (message.type === 'tls-answer') this.#tls?.answer(message.fd, message.bytes);
    else this.#registry.onWorker(message);
  }

  #tellNames(): void {
    if (this.#tls) this.#workers?.tellAll({ type: 'tls-names', names: this.#tls.names });
  }

  reload(): boolean {
    if (this.#tls?.reload()) this.#tellNames();
    return this.#tls !== undefined;
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
    clearInterval(this.#waiting);
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
      : this.#listeners.map((fd, worker) => ({ worker, ...listenQueue(fd) }));
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
