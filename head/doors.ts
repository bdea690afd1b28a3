/**
 * Where a head is reached by others than visitors: by deliveries of this host and of other hosts, by who administers it, and by who
 * gathers its metrics.
 */
import type { HeadSettings } from '../shared/config.ts';
import type { Logger } from '../shared/log.ts';
import type { Metrics } from '../shared/metrics.ts';
import { type MetricsServer, startMetricsServer } from '../shared/metrics-server.ts';
import { adminPathFor, defaultSocketPath } from '../shared/paths.ts';
import { parseHostPort } from '../shared/units.ts';
import { AdminDoor, type Administered } from './admin.ts';
import { Ahead } from './ahead.ts';
import type { Inherited, InheritedSocket } from './inherited.ts';
import { LocalDeliveries } from './local-deliveries.ts';
import type { Entrance, RemoteSide } from './migrate/index.ts';
import type { Registry } from './registry.ts';
import { loadRemote, type Remote } from './remote.ts';
import { SocketWatch } from './socket-watch.ts';
import type { Handed } from './take-over/successor.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

export const socketOf = ({ socket }: HeadSettings): string => socket ?? defaultSocketPath();
export const adminOf = (settings: HeadSettings): string =>
  settings.adminSocket ?? adminPathFor(socketOf(settings));

export interface DoorsParts {
  readonly settings: HeadSettings;
  /** Whose members may register deliveries as well. */
  readonly group: number | undefined;
  readonly inherited: Inherited;
  readonly registry: Registry;
  readonly administered: Administered;
  readonly metrics: Metrics;
  readonly tell: (worker: number, message: ToWorker) => void;
  readonly log: Logger;
  /** A socket was made again. */
  readonly onMade: () => void;
}

export class Doors {
  readonly deliveries: LocalDeliveries;
  readonly admin: AdminDoor;
  /** For deliveries of other hosts; undefined when there are none. */
  remote: RemoteSide | undefined;
  readonly #parts: DoorsParts;
  readonly #watch: SocketWatch;
  readonly #ahead = new Ahead();
  /** The code for deliveries of other hosts; undefined when there are none. */
  #code: Remote | undefined;
  /** Opened, and not `remote`'s yet. */
  #entrance: Entrance | undefined;
  #metrics: MetricsServer | undefined;

  constructor(parts: DoorsParts) {
    const { settings, group, registry, administered, log, onMade } = parts;
    this.#parts = parts;
    this.deliveries = new LocalDeliveries({ path: socketOf(settings), group, registry, log });
    this.admin = new AdminDoor(adminOf(settings), administered, log);
    this.#watch = new SocketWatch([this.deliveries, this.admin], log, onMade);
  }

  /** Throws NO_PRIVILEGE and SECRET_UNUSABLE, before anything is opened for deliveries of other hosts. */
  async checkRemote(): Promise<void> {
    const { settings } = this.#parts;
    this.#code = await loadRemote(settings);
    this.#code?.checkRemote(settings);
  }

  /** Takes the paths; who comes waits. `ownsPaths`: they lead to no other head. */
  async listen(ownsPaths: boolean): Promise<void> {
    const { inherited } = this.#parts;
    await inherited.open('deliveries', ([fd]) => this.deliveries.listen(fd));
    await inherited.open('admin', ([fd]) => this.admin.listen(fd));
    // Who has ended in order has removed the paths of sockets that were kept for us.
    if (ownsPaths)
      for (const door of [this.deliveries, this.admin]) if (!door.isThere) await door.listenAgain();
  }

  /** What can fail of the others, before anybody is let in there. `listenHost`: where visitors come to. */
  async openAhead(listenHost: string): Promise<void> {
    const { settings, inherited } = this.#parts;
    await this.#ahead.open(settings, listenHost, inherited, this.#code);
  }

  async openMetrics(): Promise<void> {
    const { settings, metrics } = this.#parts;
    if (settings.metrics === undefined) return;
    const address = parseHostPort(settings.metrics)!;
    this.#metrics = await startMetricsServer(address, metrics, this.#ahead.take('metrics'));
  }

  /** Lets deliveries of other hosts in before this is the head, which is to register them; false where none are wanted. */
  async letIn(): Promise<boolean> {
    const { settings, registry, tell, log } = this.#parts;
    const prepared = this.#ahead.remote;
    if (prepared && !this.#entrance) {
      const inherited = this.#ahead.take('control');
      this.#entrance = await this.#code!.Entrance.open({
        settings,
        prepared,
        registry,
        tell,
        log,
        inherited,
      });
    }
    return prepared !== undefined;
  }

  async arrived(names: readonly string[]): Promise<void> {
    await this.#entrance?.arrived(names);
  }

  /**
   * This is the head. `listen`: where visitors come to. `isEarly`: only where they wait for deliveries that have come already, and the
   * predecessor has nothing under way.
   */
  async openRemote(listen: string, handed: Handed | undefined, isEarly = false): Promise<void> {
    const isUrgent = handed?.isSettled && this.#entrance?.hasAnyOf(handed.deliveries ?? []);
    if (this.remote || (isEarly && !isUrgent) || !(await this.letIn())) return;
    const { settings, registry, tell, log } = this.#parts;
    const prepared = this.#ahead.takeRemote()!;
    const entrance = this.#entrance!;
    this.#entrance = undefined;
    const at = parseHostPort(listen)!;
    this.remote = new this.#code!.RemoteSide({
      settings,
      listen: at,
      prepared,
      entrance,
      registry,
      tell,
      log,
      lastId: handed?.lastId,
    });
  }

  /** True for what workers say of deliveries of other hosts, and of connections that go there or come from there. */
  onWorker(worker: number, message: FromWorker): boolean {
    return this.remote?.onWorker(worker, message) ?? this.#entrance?.lanes.onWorker(message) ?? false;
  }

  /** From here on a path that somebody removes is made again. */
  watch(): void {
    this.#watch.start();
  }

  /** HOST:PORT of `--metrics`; null without. */
  get metrics(): string | null {
    return this.#metrics?.address ?? null;
  }

  /** What it listens with; it stays its own. */
  get sockets(): InheritedSocket[] {
    const sockets = [
      { kind: 'deliveries', index: 0, fd: this.deliveries.fd },
      { kind: 'admin', index: 0, fd: this.admin.fd },
      { kind: 'control', index: 0, fd: this.remote?.fd },
      { kind: 'metrics', index: 0, fd: this.#metrics?.fd },
    ] as const;
    return sockets.flatMap((one) => (one.fd === undefined ? [] : [{ ...one, fd: one.fd }]));
  }

  /** Gives the paths back: a successor may take them, unless it has them already (`keepsFiles`). Those who are in stay. */
  giveBackPaths(keepsFiles: boolean): void {
    this.#watch.stop();
    this.deliveries.stopListening(keepsFiles);
    this.admin.stopListening(keepsFiles);
  }

  /** Lets go of what was opened ahead and is not needed. */
  async closeAhead(): Promise<void> {
    await this.#entrance?.close();
    this.#entrance = undefined;
    await this.#ahead.close();
  }

  async closeMetrics(): Promise<void> {
    await this.#metrics?.close();
    this.#metrics = undefined;
  }
}
