/**
 * The kernel's table of flows, as any thread of the head writes it. An entry says whose it is, by the number of a migration: who
 * ends one looks first whether it still is, for a client may reset a connection and use its port again at any moment, and
 * the new one may be on its way from another thread. So whoever writes does it in its turn (turns.ts).
 */
import { BatonError } from '../../shared/errors.ts';
import { mapInfo } from '../../shared/sys/bpf.ts';
import { accessMap, MAP_FULL, type MapAccess, NO_SUCH_KEY } from '../../shared/sys/bpf-map.ts';
import { EBADF, errnoName } from '../../shared/sys/libc.ts';
import * as layout from './flow.ts';
import { Turns } from './turns.ts';
import type { ForwardOptions } from './types.ts';

const DEFAULT_HOLD_MS = 10_000;
/** In the memory that threads share: whose turn it is, and whether the filter is at its place. */
const SHARED_SIZE = 8;

/** What another thread needs to write the same table. */
export interface TableSpec {
  readonly fd: number;
  readonly capacity: number;
  /** The card's name, for what is said of a failure. */
  readonly card: string;
  readonly shared: SharedArrayBuffer;
}

/** The fd stays the caller's. */
export function tableSpec(fd: number, card: string): TableSpec {
  return { fd, capacity: mapInfo(fd).maxEntries, card, shared: new SharedArrayBuffer(SHARED_SIZE) };
}

export class FlowTable {
  readonly spec: TableSpec;
  readonly #flows: MapAccess;
  readonly #turns: Turns;
  readonly #attached: Int32Array;
  #isOpen = true;

  constructor(spec: TableSpec) {
    this.spec = spec;
    this.#flows = accessMap(spec.fd, layout.KEY_SIZE, layout.FLOW_SIZE);
    this.#turns = new Turns(spec.shared);
    this.#attached = new Int32Array(spec.shared, 4, 1);
  }

  /** The filter is at its place, as far as is known. */
  get isAttached(): boolean {
    return Atomics.load(this.#attached, 0) === 1;
  }

  set isAttached(is: boolean) {
    Atomics.store(this.#attached, 0, is ? 1 : 0);
  }

  hold(key: Uint8Array, forMs = DEFAULT_HOLD_MS, id = 0): void {
    this.#needOpen();
    const until = process.hrtime.bigint() + BigInt(Math.round(forMs * 1e6));
    layout.writeHold(this.#flows.value, until, id);
    this.#update(key);
  }

  mark(key: Uint8Array, id = 0): void {
    this.#needOpen();
    layout.writeMark(this.#flows.value, id);
    this.#update(key);
  }

  forward(
    key: Uint8Array,
    hop: layout.NextHop,
    { isOld = false, id = 0, instead }: ForwardOptions = {},
  ): boolean {
    this.#needOpen();
    const flows = this.#flows;
    this.#turns.take();
    try {
      flows.key.set(key);
      if (instead !== undefined && flows.lookup() === 0) {
        const owner = layout.readOwner(flows.value);
        if (owner > id && owner !== instead) return false;
      }
      const lookUntil = isOld ? process.hrtime.bigint() + layout.HANDSHAKE_NANOS : 0n;
      layout.writeForward(flows.value, hop, lookUntil, id);
      this.#check(flows.update());
      return true;
    } finally {
      this.#turns.giveBack();
    }
  }

  look(key: Uint8Array, id: number, on: boolean): void {
    if (!this.#isOpen) return;
    const flows = this.#flows;
    this.#turns.take();
    try {
      flows.key.set(key);
      const until = on ? process.hrtime.bigint() + layout.HANDSHAKE_NANOS : 0n;
      if (flows.lookup() === 0 && layout.changeLook(flows.value, id, until)) this.#check(flows.update());
    } finally {
      this.#turns.giveBack();
    }
  }

  forget(key: Uint8Array): boolean {
    if (!this.#isOpen) return false;
    this.#turns.take();
    try {
      this.#flows.key.set(key);
      return this.#remove();
    } finally {
      this.#turns.giveBack();
    }
  }

  release(key: Uint8Array, id: number): boolean {
    if (!this.#isOpen) return false;
    const flows = this.#flows;
    this.#turns.take();
    try {
      flows.key.set(key);
      if (flows.lookup() < 0) return true;
      const owner = layout.readOwner(flows.value);
      if (owner !== id && owner !== 0) return false;
      this.#remove();
      return true;
    } finally {
      this.#turns.giveBack();
    }
  }

  find(key: Uint8Array): layout.SteeredFlow | undefined {
    if (!this.#isOpen) return undefined;
    const flows = this.#flows;
    flows.key.set(key);
    return flows.lookup() < 0 ? undefined : layout.readFlow(flows.key, flows.value);
  }

  walk(each: (flow: layout.SteeredFlow, key: Buffer) => void): void {
    if (this.#isOpen) this.#flows.walk((key, value) => each(layout.readFlow(key, value), key));
  }

  walkHolders(each: (holder: layout.Holder | undefined, key: Buffer) => void): void {
    if (this.#isOpen) this.#flows.walk((key, value) => each(layout.readHolder(value), key));
  }

  /**
   * From here on nothing is found and nothing can be changed: links that end, an operator who asks and a worker that has read its
   * last message come later, and the memory is gone.
   */
  free(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#flows.free();
  }

  #needOpen(): void {
    if (!this.#isOpen) this.#check(EBADF);
  }

  #update(key: Uint8Array): void {
    this.#turns.take();
    try {
      this.#flows.key.set(key);
      this.#check(this.#flows.update());
    } finally {
      this.#turns.giveBack();
    }
  }

  #remove(): boolean {
    const result = this.#flows.remove();
    if (result !== NO_SUCH_KEY) this.#check(result);
    return result === 0;
  }

  #check(result: number): void {
    if (result >= 0) return;
    const { capacity, card } = this.spec;
    if (result === MAP_FULL) throw new BatonError('STEERING_FULL', { capacity });
    throw new BatonError('STEERING_FAILED', { interface: card, problem: `bpf(2): ${errnoName(result)}` });
  }
}
