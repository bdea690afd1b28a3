/**
 * Keeps a head's steering at work: the filter may be removed by somebody else together with the qdisc that carries it, a
 * card may be replaced, and a delivery's host may come up with another card. The kernel tells of each.
 */
import type { Logger } from '../../shared/log.ts';
import { watchNetwork } from '../../shared/sys/network-events.ts';
import type { Steering } from './types.ts';

/** Changes come in groups. */
const SETTLE_MS = 20;
/** What could not be fixed is tried again after this long, milliseconds. */
const AGAIN_MS = 1000;

export interface GuardEvents {
  /** A neighbour has this address at layer 2 now. */
  onNeighbour(address: Uint8Array, mac: Uint8Array): void;
  /** An address of this host has come or gone. */
  onAddresses(): void;
  /** Every next hop may be another. `isOwn`: of the card whose packets are steered. */
  onCards(isOwn: boolean): void;
}

/** Until what it returns is called. */
export function guard(steering: Steering, log: Logger, events: GuardEvents): () => void {
  let timer: NodeJS.Timeout | undefined;
  let running = false;
  let again = false;
  let open = true;

  function schedule(inMs: number): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      void look();
    }, inMs);
  }

  async function look(): Promise<void> {
    if (!open) return;
    if (running) {
      again = true;
      return;
    }
    running = true;
    const card = steering.interface.name;
    try {
      if (await steering.repair())
        log.warn({ interface: card }, 'the steering filter was gone; it is attached again');
    } catch (error) {
      log.error({ interface: card }, `nothing is steered, so nothing is moved: ${(error as Error).message}`);
      if (open) schedule(AGAIN_MS);
    }
    running = false;
    if (again && open) {
      again = false;
      schedule(SETTLE_MS);
    }
  }

  const stop = watchNetwork({
    onFilter(ifindex, gone) {
      if (ifindex !== steering.interface.ifindex) return;
      // From this moment on nothing is moved; what has moved is without its packets until the filter is back.
      if (gone) steering.distrust();
      schedule(gone ? 0 : SETTLE_MS);
    },
    onLink(ifindex) {
      schedule(SETTLE_MS);
      events.onCards(ifindex === steering.interface.ifindex);
    },
    onNeighbour: events.onNeighbour,
    onAddress: events.onAddresses,
    onLost() {
      events.onAddresses();
      schedule(0);
      events.onCards(true);
    },
  });
  return () => {
    open = false;
    clearTimeout(timer);
    stop();
  };
}
