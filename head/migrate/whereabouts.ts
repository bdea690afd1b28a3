/** Where a delivery's host is at layer 2, as the head's cards and the host's may be replaced. */
import { addressBytes } from '../../shared/addresses.ts';
import { type NextHop, resolveNextHop } from '../steer/index.ts';

/** An IPv4 peer of a dual-stack socket. */
const unmapped = (host: string): string => host.replace(/^::ffff:(?=\d+\.)/i, '');

export class Whereabouts {
  readonly #host: string;
  readonly #onMove: (hop: NextHop) => void;
  #hop: NextHop | undefined;
  #open = true;

  /** `host`: numeric. `onMove`: it is reached in another way than before. */
  constructor(host: string, onMove: (hop: NextHop) => void) {
    this.#host = host;
    this.#onMove = onMove;
  }

  /** Once it has been found. */
  get hop(): NextHop {
    return this.#hop!;
  }

  /** Throws NOT_ON_SEGMENT. */
  async find(): Promise<NextHop> {
    this.#hop = await resolveNextHop(this.#host);
    return this.#hop;
  }

  /** A neighbour of the head is at this MAC address now. */
  neighbourIs(address: Uint8Array, mac: string): void {
    if (!this.#hop || this.#hop.mac === mac || !this.#open) return;
    if (Buffer.compare(addressBytes(unmapped(this.#host)), address) === 0)
      this.#moveTo({ ...this.#hop, mac });
  }

  /** The head's cards have changed. */
  async lookAgain(): Promise<void> {
    const before = this.#hop;
    if (!before || !this.#open) return;
    const hop = await resolveNextHop(this.#host).catch(() => before);
    const isSame =
      hop.mac === before.mac && hop.ifindex === before.ifindex && hop.sourceMac === before.sourceMac;
    if (!isSame && this.#open) this.#moveTo(hop);
  }

  #moveTo(hop: NextHop): void {
    this.#hop = hop;
    this.#onMove(hop);
  }

  close(): void {
    this.#open = false;
  }
}
