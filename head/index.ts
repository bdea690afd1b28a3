/** A head in this process: starts it, steers it, stops it. */

import '../shared/need-node.ts';

import { rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { type HeadSettings, headSchema, resolveSettings } from '../shared/config.ts';
import { BatonError } from '../shared/errors.ts';
import { createLogger, type Logger } from '../shared/log.ts';
import { type MetricsServer, startMetricsServer } from '../shared/metrics-server.ts';
import { headFilesBesides, headFilesNeeded } from '../shared/open-files.ts';
import { adminPathFor, defaultSocketPath } from '../shared/paths.ts';
import { type HeadStatus, type Mode, modes } from '../shared/status.ts';
import { EAGAIN, errnoName } from '../shared/sys/libc.ts';
import { openFilesLimit } from '../shared/sys/limits.ts';
import { type Readiness, watchReadable } from '../shared/sys/readiness.ts';
import { bindReuseport } from '../shared/sys/reuseport.ts';
import { acceptNonBlocking, closeFd, listenQueue, listenSeqpacket } from '../shared/sys/sockets.ts';
import { freeSocketPath } from '../shared/sys/unix-path.ts';
import { formatHostPort, parseHostPort } from '../shared/units.ts';
import { version } from '../shared/version.ts';
import { startAdmin } from './admin.ts';
import { Board, createBoardMemory, Row, type Total } from './board.ts';
import { policyNames } from './choose/index.ts';
import { countsOf, growthOf } from './counts.ts';
import { readListenCounters } from './kernel.ts';
import { LocalDoor } from './local-door.ts';
import { createMetrics } from './metrics.ts';
import { RemoteSide } from './migrate/index.ts';
import { cardOf } from './migrate/interface.ts';
import { Registry } from './registry.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';
import { startWorker, type WorkerThread } from './workers.ts';

export interface Head {
  /** HOST:PORT, with the port that the kernel picked. */
  readonly listen: string;
  readonly socket: string;
  readonly admin: string;
  /** HOST:PORT for deliveries of other hosts; null when there are none. */
  readonly control: string | null;
  /** HOST:PORT of `--metrics`; null without. */
  readonly metrics: string | null;
  status(): HeadStatus;
  setMode(mode: Mode): void;
  drain(name: string, on: boolean): void;
  /** Stops accepting, passes on what is queued, closes. Resolves within the stop timeout and about a second. */
  stop(): Promise<void>;
  /** Resolves when it has stopped; rejects when a worker has failed. */
  readonly ended: Promise<void>;
}

export interface HeadOptions {
  /** A JSON file of settings; those given in the call win. */
  readonly configFile?: string | undefined;
  readonly log?: Logger;
}

/** Starts a head. Throws a BatonError when a setting is wrong or cannot be had. */
export async function startHead(
  settings: Record<string, unknown> = {},
  options: HeadOptions = {},
): Promise<Head> {
  const resolved = resolveSettings(headSchema, settings, options.configFile);
  return await new HeadProcess(resolved, options.log ?? createLogger('head')).start();
}

class HeadProcess implements Head {
  readonly socket: string;
  readonly admin: string;
  listen = '';
  ended: Promise<void> = Promise.resolve();
  readonly #settings: HeadSettings;
  readonly #log: Logger;
  readonly #board: Board;
  readonly #memory: ReturnType<typeof createBoardMemory>;
  readonly #rows: Row[];
  readonly #registry: Registry;
  readonly #localDoor: LocalDoor;
  #remote: RemoteSide | undefined;
  readonly #startedAt = performance.now();
  readonly #kernelAtStart = readListenCounters();
  #workers: WorkerThread[] = [];
  #listeners: number[] = [];
  #unixListener = -1;
  #strangersReady: Readiness | undefined;
  #adminServer: Server | undefined;
  #metricsServer: MetricsServer | undefined;
  #stopping: Promise<void> | undefined;

  constructor(settings: HeadSettings, log: Logger) {
    this.#settings = settings;
    this.#log = log;
    if (!policyNames.includes(settings.policy)) {
      const problem = `the policies are ${policyNames.join(', ')}`;
      throw new BatonError('BAD_OPTION', {
        option: '--policy',
        problem,
        value: JSON.stringify(settings.policy),
      });
    }
    this.socket = settings.socket ?? defaultSocketPath();
    this.admin = settings.adminSocket ?? adminPathFor(this.socket);
    this.#memory = createBoardMemory(settings.workers);
    this.#board = new Board(this.#memory);
    this.#board.setMode(settings.mode);
    this.#rows = Array.from({ length: settings.workers }, (_, worker) => new Row(this.#memory, worker));
    this.#registry = new Registry({
      board: this.#board,
      rows: this.#rows,
      tell: this.#tell,
      stallTimeoutMs: settings.stallTimeout,
      log,
    });
    this.#localDoor = new LocalDoor(this.#registry, log);
  }

  #tell = (worker: number, message: ToWorker): void => this.#workers[worker]?.tell(message);

  get metrics(): string | null {
    return this.#metricsServer?.address ?? null;
  }

  get control(): string | null {
    return this.#remote?.control ?? null;
  }

  async start(): Promise<Head> {
    try {
      const maxConnections = this.#connectionLimit();
      for (const [path, option] of [
        [this.socket, '--socket'],
        [this.admin, '--admin-socket'],
      ] as const) {
        if (await freeSocketPath(path, option))
          this.#log.warn({ path }, 'replaced a socket that a dead head left');
      }
      const { fds, bound } = await bindReuseport(
        parseHostPort(this.#settings.listen)!,
        this.#settings.workers,
      );
      this.#listeners = fds;
      this.listen = formatHostPort(bound);
      this.#unixListener = listenSeqpacket(this.socket, 64);
      const metrics = createMetrics({
        rows: this.#rows,
        status: () => this.status(),
        total: (name) => this.#total(name),
        migration: () => this.#remote?.measures,
      });
      this.#adminServer = await startAdmin(this.admin, {
        status: () => this.status(),
        setMode: (mode) => this.setMode(mode),
        drain: (name, on) => this.drain(name, on),
        metrics,
      });
      if (this.#settings.metrics !== undefined)
        this.#metricsServer = await startMetricsServer(parseHostPort(this.#settings.metrics)!, metrics);
      for (const [index, listener] of fds.entries()) {
        this.#workers.push(await this.#startWorker(index, listener, maxConnections));
      }
      // Only now can a delivery be welcomed: every worker is there to be told of it.
      this.#remote = await this.#openRemote(bound.host);
      this.#strangersReady = watchReadable(this.#unixListener, () => this.#acceptDeliveries());
    } catch (error) {
      for (const worker of this.#workers) worker.tell({ type: 'stop', withinMs: 0 });
      await Promise.allSettled(this.#workers.map((worker) => worker.ended));
      await this.#cleanUp();
      throw error;
    }
    this.ended = this.#watch();
    return this;
  }

  /** Connections that each worker may hold. Throws FD_LIMIT. */
  #connectionLimit(): number {
    const { workers, maxConnections } = this.#settings;
    const limit = openFilesLimit();
    const besides = headFilesBesides(workers);
    const need = headFilesNeeded(workers, maxConnections);
    if (limit < need) {
      const option = maxConnections === undefined ? '--workers' : '--max-connections';
      throw new BatonError('FD_LIMIT', { limit, need, option });
    }
    return Math.floor((maxConnections ?? limit - besides) / workers) || 1;
  }

  /** Undefined for a head that has deliveries on its own host only. */
  async #openRemote(listenHost: string): Promise<RemoteSide | undefined> {
    const { control, secret, interface: card, flows, adoptTimeout } = this.#settings;
    if (control === undefined) return undefined;
    if (secret === undefined) {
      const problem = 'needed with --control: a file with the secret that remote deliveries share';
      throw new BatonError('BAD_OPTION', { option: '--secret', problem, value: 'nothing' });
    }
    return await RemoteSide.open({
      control: parseHostPort(control)!,
      secretFile: secret,
      interface: card ?? cardOf(listenHost),
      capacity: flows,
      adoptTimeoutMs: adoptTimeout,
      registry: this.#registry,
      tell: this.#tell,
      log: this.#log,
    });
  }

  #startWorker(index: number, listener: number, maxConnections: number): Promise<WorkerThread> {
    const settings = this.#settings;
    return startWorker(
      {
        index,
        board: this.#memory,
        listener,
        backlog: settings.backlog,
        deferAcceptMs: settings.deferAccept,
        policy: settings.policy,
        // The kernel hands out fds below the limit only.
        fdCapacity: openFilesLimit(),
        maxConnections,
        headBytes: settings.headBytes,
        headTimeoutMs: settings.headTimeout,
        lingerIdleMs: settings.lingerIdle,
        lingerTotalMs: settings.lingerTotal,
        lingerBytes: settings.lingerBytes,
        stallTimeoutMs: settings.stallTimeout,
        ioUring: settings.ioUring === 'auto',
      },
      (message) => this.#onWorker(index, message),
    );
  }

  #onWorker(index: number, message: FromWorker): void {
    if (message.type === 'migrate') this.#remote?.migrate(index, message);
    else this.#registry.onWorker(message);
  }

  #acceptDeliveries(): void {
    for (;;) {
      const fd = acceptNonBlocking(this.#unixListener);
      if (fd === EAGAIN) return;
      if (fd < 0) {
        this.#log.warn({ errno: errnoName(fd) }, 'cannot accept a delivery');
        return;
      }
      this.#localDoor.admit(fd);
    }
  }

  async #watch(): Promise<void> {
    try {
      await Promise.all(this.#workers.map((worker) => worker.ended));
    } finally {
      await this.#cleanUp();
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    for (const worker of this.#workers) worker.tell({ type: 'stop', withinMs: this.#settings.stopTimeout });
    await this.ended;
  }

  async #cleanUp(): Promise<void> {
    await this.#remote?.settle();
    this.#localDoor.close();
    this.#registry.close();
    await this.#remote?.close();
    this.#strangersReady?.close();
    if (this.#unixListener >= 0) {
      closeFd(this.#unixListener);
      rmSync(this.socket, { force: true });
      this.#unixListener = -1;
    }
    // Those of running workers are theirs, and closed by now.
    for (const listener of this.#listeners.slice(this.#workers.length)) closeFd(listener);
    this.#listeners = [];
    await this.#metricsServer?.close();
    this.#metricsServer = undefined;
    const server = this.#adminServer;
    this.#adminServer = undefined;
    if (server) {
      // Removes its socket file as well.
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
    }
  }

  setMode(mode: Mode): void {
    this.#board.setMode(mode);
    this.#log.info({ mode }, 'mode switched');
  }

  drain(name: string, on: boolean): void {
    this.#registry.drain(name, on);
  }

  #total(name: Total): number {
    return this.#rows.reduce((sum, row) => sum + row.get(name), 0);
  }

  status(): HeadStatus {
    const cpu = process.cpuUsage();
    const listeners = this.#stopping
      ? []
      : this.#listeners.map((fd, worker) => ({ worker, ...listenQueue(fd) }));
    return {
      version,
      pid: process.pid,
      mode: modes[this.#board.mode]!,
      policy: this.#settings.policy,
      listen: this.listen,
      socket: this.socket,
      workers: this.#settings.workers,
      backlog: listeners[0]?.backlog ?? 0,
      uptimeSeconds: (performance.now() - this.#startedAt) / 1000,
      cpu: { userMicros: cpu.user, systemMicros: cpu.system },
      ...countsOf((name) => this.#total(name)),
      listeners,
      kernel: growthOf(readListenCounters(), this.#kernelAtStart),
      migration: this.#remote?.status() ?? null,
      deliveries: this.#registry.status(),
    };
  }
}
