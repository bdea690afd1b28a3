/**
 * Connections that deliveries of other hosts give back, in one worker: it chooses who is to have each (migrate/returns.ts asks), and
 * gets it when it lives. A choice costs whoever is chosen a credit, which comes back where nothing comes of it.
 */
import { hashBytes } from '../../shared/fnv.ts';
import { NOBODY } from '../modes/mode.ts';
import type { Scoreboard } from '../scoreboard.ts';
import type { FromWorker, ToWorker } from '../worker-messages.ts';
import type { Connections } from './connections.ts';
import type { WorkerDesk } from './desk.ts';
import type { Router } from './router.ts';
import type { WaysBack } from './ways-back.ts';

export interface FarReturnsParts {
  readonly connections: Connections;
  readonly scoreboard: Scoreboard;
  readonly router: Router;
  readonly desk: WorkerDesk;
  readonly waysBack: WaysBack;
  readonly mayRegain: () => boolean;
  readonly tell: (message: FromWorker) => void;
}

interface Chosen {
  /** NOBODY: it has gone meanwhile. */
  slot: number;
  readonly from: number;
  readonly state: Uint8Array | undefined;
  readonly addressHash: number;
}

export class FarReturns {
  readonly #parts: FarReturnsParts;
  readonly #chosen = new Map<number, Chosen>();

  constructor(parts: FarReturnsParts) {
    this.#parts = parts;
  }

  weigh({ ticket, fd, from, address, input, state }: ToWorker & { type: 'weigh' }): void {
    const { connections, waysBack, mayRegain, tell } = this.#parts;
    let slot = NOBODY;
    if (mayRegain()) {
      const addressHash = hashBytes(address, 0, address.length);
      // The number is nobody's else: the copy has it.
      connections.addressHash[fd] = addressHash;
      slot = waysBack.choose(fd, waysBack.lookAt(input), from, state);
      if (slot !== NOBODY) this.#chosen.set(ticket, { slot, from, state, addressHash });
    }
    tell({ type: 'weighed', ticket, slot });
  }

  regained({ ticket, fd }: ToWorker & { type: 'regained' }): void {
    const { connections, waysBack, router, desk } = this.#parts;
    const { slot, from, state, addressHash } = this.#chosen.get(ticket)!;
    connections.addressHash[fd] = addressHash;
    waysBack.regain(fd, from, state);
    if (slot !== NOBODY && router.lanes[slot]?.isFull === false) {
      this.#chosen.delete(ticket);
      return desk.place(fd, slot, state);
    }
    this.forsaken(ticket);
    waysBack.again(fd, from);
  }

  forsaken(ticket: number): void {
    const chosen = this.#chosen.get(ticket);
    this.#chosen.delete(ticket);
    if (chosen && chosen.slot !== NOBODY) this.#parts.scoreboard.giveCredits(chosen.slot, 1);
  }

  /** The delivery is let go, and its place may be another's before long. */
  leave(slot: number): void {
    for (const chosen of this.#chosen.values()) {
      if (chosen.slot !== slot) continue;
      this.#parts.scoreboard.giveCredits(slot, 1);
      chosen.slot = NOBODY;
    }
  }
}
