/** The head of this process: what it consists of, in which order that starts, and in which it stops. */
import type { Socket } from 'node:net';
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
import { Ahead } from './ahead.ts';
import { countsOf } from './counts.ts';
import { Drained } from './drained.ts';
import { Figures } from './figures.ts';
import type { Head } from './head.ts';
import type { Inherited, InheritedSocket } from './inherited.ts';
import { checkSettings, connectionsWithin, type Limits, limitsOf } from './limits.ts';
import { LocalDeliveries } from './local-deliveries.ts';
import { createMetrics } from './metrics.ts';
import { checkRemote, openRemote, type RemoteSide } from './migrate/index.ts';
import { Pulse } from './pulse.ts';
import { Registry, type RegistryTimes } from './registry.ts';
import { rehearseRegistration } from './rehearsal.ts';
import { changesTo, Reloads } from './reload.ts';
import { createScoreboardMemory, Scoreboard, WorkerCounters } from './scoreboard.ts';
import { SocketWatch } from './socket-watch.ts';
import { Expected } from './take-over/expected.ts';
import { type Predecessor, Succession } from './take-over/predecessor.ts';
import type { Handed, TakeOver } from './take-over/successor.ts';
import { readConfiguredCertificates, TlsSide } from './tls/index.ts';
import type { Certificate } from './tls/messages.ts';
import type { FromWorker, PassedConnection, ToWorker, Tuning } from './worker-messages.ts';
import { tuningOf, workerOf, workerSettings } from './worker-settings.ts';
import { Workers } from './workers.ts';

/** While it stops, how often it is looked whether everything has been passed on, milliseconds. */
const STOP_LOOK_MS = 20;
/** Of the time for the first delivery. */
const WAITING_PARTS = 10;
/** When another takes over, what is on its way to other hosts has this long to arrive, milliseconds; the rest goes back. */
const SETTLE_WITHIN_MS = 50;

export const adminOf = ({ socket, adminSocket }: HeadSettings): string =>
  adminSocket ?? adminPathFor(socket ?? defaultSocketPath());

/** Told of the sockets that a head listens with, before it is ready and whenever one is replaced. They stay the head's. */
export type OnSockets = (sockets: readonly InheritedSocket[]) => void;

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
  readonly #takeOver: TakeOver | undefined;
  readonly #succession: Succession;
  /** It may remove what others find it by. */
  #isHead: boolean;
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
  readonly #figures: Figures;
  readonly #pulse: Pulse;
  readonly #drained: Drained;
  readonly #registry: Registry;
  readonly #ahead = new Ahead();
  #remote: RemoteSide | undefined;
  #tls: TlsSide | undefined;
  #workers: Workers | undefined;
  #listeners: number[] = [];
  #hasAccepted = false;
  #waiting: NodeJS.Timeout | undefined;
  #expected: Expected | undefined;
  /** When all was handed over to this head. */
  #handedAt = 0;
  #tuned: (() => void) | undefined;
  readonly #left = Promise.withResolvers<number>();
  #lettingGo: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor({ settings, log, from, successor, readAgain, onSockets }: HeadProcessParts) {
    this.#settings = settings;
    this.#takeOver = 'inherited' in from ? from : undefined;
    this.#inherited = 'inherited' in from ? from.inherited : from;
    this.#isHead = this.#takeOver === undefined;
    this.#succession = new Succession(this.#asPredecessor(), successor, log);
    this.#readAgain = readAgain;
    this.#onSockets = onSockets;
    this.#reloads = new Reloads(() => this.#reload(), log);
    this.#log = log;
    this.socket = settings.socket ?? defaultSocketPath();
    this.admin = adminOf(settings);
    const { group } = checkSettings(settings, this.socket, this.admin);
    this.#limits = limitsOf(settings);
    this.#memory = createScoreboardMemory(settings.workers);
    this.#scoreboard = new Scoreboard(this.#memory);
    this.#scoreboard.setMode(settings.mode);
    this.#rows = Array.from(
      { length: settings.workers },
      (_, worker) => new WorkerCounters(this.#memory, worker),
    );
    this.#figures = new Figures(this.#rows);
    this.#pulse = new Pulse(this.#rows, (worker) => this.#workers?.runs(worker) ?? false, log);
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
      upgrade: () => this.upgrade(),
      takeOver: (socket: Socket, versions: string) => this.#succession.ask(socket, versions),
    };
  }

  #createMetrics(): Metrics {
    return createMetrics({
      rows: this.#rows,
      status: () => this.status(),
      total: (name) => this.#figures.counts.totals[name],
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
      await this.#prepare();
      // Until it has been handed over nothing of it is this head's, and nobody is let in.
      const handed = await this.#takeOver?.complete();
      this.#isHead = true;
      await this.#open(handed);
    } catch (error) {
      await this.#takeOver?.abort(error);
      this.#workers?.tellAll({ type: this.#isHead ? 'stop' : 'release', withinMs: 0 });
      await this.#workers?.ended.catch(() => {});
      await this.#cleanUp();
      throw error;
    }
    this.ended = this.#watch();
    this.#socketWatch.start();
    if (!this.#hasAccepted && !this.#expected) this.#waitForDelivery(this.#settings.firstDeliveryWithin);
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

  /** What can be refused is asked for first, before a visitor can come. */
  async #prepare(): Promise<void> {
    const inherited = this.#inherited;
    await inherited.open('deliveries', ([fd]) => this.#localDeliveries.listen(fd));
    await inherited.open('admin', ([fd]) => this.#admin.listen(fd));
    // Who has ended in order has removed the paths of sockets that were kept for us.
    if (!this.#takeOver)
      for (const door of [this.#localDeliveries, this.#admin]) if (!door.isThere) await door.listenAgain();
    checkRemote(this.#settings);
    this.#openTls(readConfiguredCertificates(this.#settings));
    const { fds, bound } = await inherited.open('worker', (given) => this.#openListeners(given));
    this.#listeners = fds;
    this.listen = formatHostPort(bound);
    await this.#ahead.open(this.#settings, bound.host, inherited);
    this.#workers = await this.#startWorkers();
    this.#workers.tellAll({ type: 'tls-names', names: this.#tls?.names });
    if (this.#takeOver) await rehearseRegistration(this.#settings);
  }

  async #open(handed: Handed | undefined): Promise<void> {
    for (const fd of this.#listeners) listen(fd, this.#settings.backlog);
    this.#drained.load();
    if (handed) {
      this.#handedAt = performance.now();
      if (handed.mode) this.#scoreboard.setMode(handed.mode);
      this.#expected = Expected.of(handed.deliveries, this.#settings, () => this.#accept());
      this.#adopt(handed.connections);
    }
    // A delivery can be welcomed: every worker is there to be told of it. Visitors wait for it, and for nothing else.
    if (handed) this.#localDeliveries.open();
    await this.#admin.open();
    await this.#takeOver?.rest((connections) => this.#adopt(connections));
    await this.#openMetrics();
    await this.#openRemote();
    this.#inherited.closeRest();
    this.#onSockets?.(this.#sockets());
    if (!handed) this.#localDeliveries.open();
  }

  async #openMetrics(): Promise<void> {
    const { metrics } = this.#settings;
    if (metrics === undefined) return;
    const address = parseHostPort(metrics)!;
    this.#metricsServer = await startMetricsServer(address, this.#metrics, this.#ahead.take('metrics'));
  }

  async #openRemote(): Promise<void> {
    const prepared = this.#ahead.takeRemote();
    if (!prepared) return;
    const listener = this.#ahead.take('control');
    this.#remote = await openRemote(
      this.#settings,
      prepared,
      this.#registry,
      this.#tell,
      this.#log,
      listener,
    );
  }

  /** They were another head's. */
  #adopt(connections: readonly PassedConnection[]): void {
    const { workers } = this.#settings;
    for (let worker = 0; worker < workers; worker++) {
      const own = connections.filter(({ fd }) => fd % workers === worker);
      if (own.length > 0) this.#tell(worker, { type: 'adopt', connections: own });
    }
  }

  #openListeners(given: readonly number[]): ReturnType<typeof bindReuseport> {
    const { workers, backlog, listen } = this.#settings;
    const wanted = parseHostPort(listen)!;
    return given.length > 0 ? joinListeners(given, wanted, workers) : bindReuseport(wanted, workers, backlog);
  }

  /** A visitor who comes before the first delivery waits in the accept queue, for a while. */
  #accept(): void {
    if (this.#hasAccepted || this.#stopping) return;
    this.#hasAccepted = true;
    clearInterval(this.#waiting);
    this.#waiting = undefined;
    this.#workers?.tellAll({ type: 'accept' });
    if (!this.#expected) return;
    this.#expected.close();
    const waitedMs = Math.round(performance.now() - this.#handedAt);
    this.#log.info({ waitedMs }, 'visitors are accepted again');
  }

  #openRegistry(): Registry {
    return new Registry({
      scoreboard: this.#scoreboard,
      rows: this.#rows,
      tell: this.#tell,
      times: timesOf(this.#settings),
      drained: this.#drained,
      onUp: () => (this.#expected ? this.#expected.up(this.#registry.names) : this.#accept()),
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
    checkSettings(wanted, wanted.socket ?? defaultSocketPath(), adminOf(wanted));
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
    if (!(await this.#succession.abort())) return await this.ended;
    const { open, lingering } = this.status();
    this.#log.info({ open, lingering }, 'the head stops: it passes on what it has');
    clearInterval(this.#waiting);
    this.#expected?.close();
    this.#giveBackPaths();
    this.#workers?.tellAll({ type: 'stop', withinMs: this.#settings.stopTimeout });
    this.#tls?.stop();
    const look = setInterval(() => {
      if (this.#workers?.areClosed && this.#figures.open === 0) void this.#letGo();
    }, STOP_LOOK_MS);
    await this.ended.finally(() => clearInterval(look));
    this.#log.info('the head has stopped');
  }

  #giveBackPaths(): void {
    this.#socketWatch.stop();
    this.#localDeliveries.stopListening(!this.#isHead);
    this.#admin.stopListening(!this.#isHead);
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
    await this.#ahead.close();
    if (this.#isHead) {
      await this.#letGo();
      await this.#remote?.close();
    } else this.#registry.close(true);
    await this.#tls?.close();
    await this.#metricsServer?.close();
    this.#metricsServer = undefined;
    // Those of workers that ran are theirs, and closed by now.
    if (!this.#workers) this.#listeners.forEach(closeFd);
    this.#listeners = [];
    this.#admin.close();
  }

  upgrade(): Promise<number> {
    return this.#succession.upgrade();
  }

  #asPredecessor(): Predecessor {
    const head = this;
    const freeze = (): Promise<readonly PassedConnection[]> => {
      this.#localDeliveries.freeze();
      return this.#workers!.gather('frozen');
    };
    return {
      sockets: () => this.#sockets(),
      get mode() {
        return modes[head.#scoreboard.mode]!;
      },
      get deliveries() {
        return head.#registry.names;
      },
      freeze,
      thaw: () => {
        this.#workers?.tellAll({ type: 'thaw' });
        this.#localDeliveries.open();
      },
      depart: () => this.#depart(),
      release: (successor) => void this.#release(successor),
    };
  }

  #sockets(): InheritedSocket[] {
    const workers = this.#listeners.map((fd, index) => ({ kind: 'worker', index, fd }) as const);
    const others = [
      { kind: 'deliveries', index: 0, fd: this.#localDeliveries.fd },
      { kind: 'admin', index: 0, fd: this.#admin.fd },
      { kind: 'control', index: 0, fd: this.#remote?.fd },
      { kind: 'metrics', index: 0, fd: this.#metricsServer?.fd },
    ] as const;
    return [...workers, ...others.flatMap((one) => (one.fd === undefined ? [] : [{ ...one, fd: one.fd }]))];
  }

  /** Another is the head: deliveries go there, and what they had not taken is to follow. */
  async #depart(): Promise<readonly PassedConnection[]> {
    this.#isHead = false;
    this.#socketWatch.stop();
    clearInterval(this.#waiting);
    this.#expected?.close();
    const workers = this.#workers!;
    workers.tellAll({ type: 'depart' });
    this.#localDeliveries.stopListening(true);
    this.#admin.stopListening(true);
    await this.#remote?.settle(SETTLE_WITHIN_MS);
    this.#registry.close(true);
    const rest = await workers.gather('rest');
    this.#remote?.leave();
    return rest;
  }

  /** What the TLS thread has goes on; all else is the successor's. */
  async #release(successor: number): Promise<void> {
    await this.#admin.answered();
    this.#workers!.tellAll({ type: 'release', withinMs: this.#settings.stopTimeout });
    await this.#workers!.stopped;
    this.#left.resolve(successor);
  }

  isTurning(): boolean {
    return this.#pulse.isThere();
  }

  get left(): Promise<number> {
    return this.#left.promise;
  }

  get isHandedOver(): boolean {
    return !this.#isHead;
  }

  setMode(mode: Mode): void {
    this.#scoreboard.setMode(mode);
    this.#log.info({ mode }, 'mode switched');
  }

  drain(name: string, on: boolean): void {
    this.#registry.drain(name, on);
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
      uptimeSeconds: this.#figures.uptimeSeconds,
      cpu: { userMicros: cpu.user, systemMicros: cpu.system },
      ...countsOf(this.#figures.counts),
      listeners,
      kernel: this.#figures.kernel,
      migration: this.#remote?.status() ?? null,
      deliveries: this.#registry.status(),
    };
  }
}
