/** What a head does with its parts while it hands over: how it freezes, goes on, departs, and lets go. */
import { type Mode, modes } from '../../shared/status.ts';
import type { Doors } from '../doors.ts';
import type { InheritedSocket } from '../inherited.ts';
import type { Registry } from '../registry.ts';
import type { Scoreboard } from '../scoreboard.ts';
import type { PassedConnection } from '../worker-messages.ts';
import type { Workers } from '../workers.ts';
import type { Predecessor } from './predecessor.ts';

/** What is on its way to other hosts has this long to arrive, milliseconds; the rest goes back when the head departs. */
const SETTLE_WITHIN_MS = 50;

export interface DepartureParts {
  readonly doors: Doors;
  readonly registry: Registry;
  readonly scoreboard: Scoreboard;
  /** Undefined until they have started. */
  readonly workers: () => Workers | undefined;
  readonly sockets: () => InheritedSocket[];
  readonly stopTimeoutMs: () => number;
  /** When settings were read again, milliseconds of performance.now(). */
  readonly reloadedAt: () => number | undefined;
  /** Another is the head. */
  readonly onDepart: () => void;
}

export class Departure implements Predecessor {
  readonly #parts: DepartureParts;
  readonly #left = Promise.withResolvers<number>();
  #lastId: number | undefined;
  #isSettled = false;

  constructor(parts: DepartureParts) {
    this.#parts = parts;
  }

  /** Nobody is handed over to before they have. */
  get #workers(): Workers {
    return this.#parts.workers()!;
  }

  sockets(): InheritedSocket[] {
    return this.#parts.sockets();
  }

  get mode(): Mode {
    return modes[this.#parts.scoreboard.mode]!;
  }

  get reloadedMs(): number | undefined {
    const at = this.#parts.reloadedAt();
    return at === undefined ? undefined : performance.now() - at;
  }

  get deliveries(): readonly string[] {
    return this.#parts.registry.upNames;
  }

  sendDeliveries(): string[] {
    return this.#parts.doors.remote?.sendToSuccessor() ?? [];
  }

  async freeze(): Promise<readonly PassedConnection[]> {
    const { doors } = this.#parts;
    doors.deliveries.freeze();
    // First: what is under way arrives while workers freeze, who are woken by that.
    this.#lastId = doors.remote?.freeze();
    const settled = doors.remote?.settle(SETTLE_WITHIN_MS);
    const frozen = await this.#workers.gather('frozen');
    this.#isSettled = (await settled) ?? false;
    return frozen;
  }

  get lastId(): number | undefined {
    return this.#lastId;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  thaw(): void {
    const { workers, doors } = this.#parts;
    // Before workers look whether they may move what has waited.
    doors.remote?.thaw();
    workers()?.tellAll({ type: 'thaw' });
    doors.deliveries.open();
  }

  /** Deliveries go to the other head, and what they had not taken is to follow. */
  async depart(): Promise<readonly PassedConnection[]> {
    const { doors, registry, onDepart } = this.#parts;
    onDepart();
    this.#workers.tellAll({ type: 'depart' });
    doors.giveBackPaths(true);
    registry.close(true);
    const rest = await this.#workers.gather('rest');
    doors.remote?.leave();
    return rest;
  }

  /** What the TLS thread has goes on; all else is the successor's. */
  async release(successor: number): Promise<void> {
    await this.#parts.doors.admin.answered();
    this.#workers.tellAll({ type: 'release', withinMs: this.#parts.stopTimeoutMs() });
    await this.#workers.stopped;
    this.#left.resolve(successor);
  }

  /** Resolves with the successor's pid when nothing is left here. */
  get left(): Promise<number> {
    return this.#left.promise;
  }
}
