/**
 * Connections that this host gives back to one head: a copy of what its kernel knows leaves over the link, and the socket stays here,
 * mute (in repair mode) and deaf (what its client sends is dropped, as if it had been lost), until there is a word of it.
 *
 * A word may be lost with its link, after which the connection may be another's. So this outlives the link: what was given and
 * has no word is named to the head that comes next at that address, as doubtful, and that one says the word. Whoever it is, it
 * knows: a head changes its kernel's table before it says *moved*, and the table outlives it.
 */
import { closeFd, duplicateFd } from '../../shared/sys/sockets.ts';
import {
  type Ends,
  encodeSaved,
  type FrozenConnection,
  freeze,
  Refusal,
  type SavedConnection,
} from '../../shared/tcp-repair/index.ts';
import type { FromRemote } from '../../shared/wire/remote/messages.ts';
import type { Given, WayBack } from '../way-back.ts';
import type { AdoptedFlows } from './adopted-flows.ts';

/** Given and without a word, at most; and the bytes of these. */
const WINDOW = 64;
const BYTES_MAX = 8 << 20;
/** A packet that was past the filter when it was set has come by the next try. */
const TRIES = 3;
/** A head comes back within this time, or is not waited for: whose connection it is then is not known here. Milliseconds. */
const DOUBT_MS = 30_000;

interface Waiting {
  readonly frozen: FrozenConnection;
  readonly ends: Ends;
  /** A copy of the application's fd, which may be closed meanwhile. */
  readonly fd: number;
  readonly bytes: number;
  readonly settle: (isMoved: boolean) => void;
}

export class GivenBack implements WayBack {
  readonly #flows: AdoptedFlows;
  readonly #given = new Map<number, Waiting>();
  #bytes = 0;
  #say: ((message: FromRemote) => void) | undefined;
  #doubt: NodeJS.Timeout | undefined;

  constructor(flows: AdoptedFlows) {
    this.#flows = flows;
  }

  give({ fd, id, state: app, settle }: Given): 'given' | 'full' | 'not now' {
    if (!this.#say || this.#given.size >= WINDOW || this.#bytes >= BYTES_MAX) return 'full';
    const number = Number.parseInt(id, 36);
    const saved = save(fd);
    if (!saved) return 'not now';
    const { state, ...waiting } = saved;
    const bytes = state.length + (app?.length ?? 0);
    this.#given.set(number, { ...waiting, bytes, settle });
    this.#bytes += bytes;
    this.#say({ type: 'give', id: number, state, ...(app && { app }) });
    return 'given';
  }

  /** A head's word; about what is settled it says nothing. */
  hear(id: number, isMoved: boolean): void {
    const waiting = this.#given.get(id);
    if (!waiting) return;
    this.#given.delete(id);
    this.#bytes -= waiting.bytes;
    const { frozen, fd, ends, settle } = waiting;
    if (isMoved) {
      this.#flows.movedOn(id);
      // Packets are on their way to it, which would be answered with a reset if there were no socket.
      this.#flows.linger(fd, ends);
    } else {
      frozen.thaw();
      // The last one, where its application has closed it meanwhile: its client hears of that now.
      closeFd(fd);
    }
    settle(isMoved);
  }

  /** A head has welcomed this delivery, and takes back what it gives. */
  attach(say: (message: FromRemote) => void): void {
    clearTimeout(this.#doubt);
    this.#doubt = undefined;
    this.#say = say;
  }

  /** What was given and has no word of the head that it was given to. */
  isDoubtful(id: number): boolean {
    return this.#given.has(id);
  }

  /** That link has ended. Another one may have come before: a successor's. */
  detach(say: (message: FromRemote) => void): void {
    if (this.#say !== say) return;
    this.#say = undefined;
    if (this.#given.size > 0) this.#doubt ??= setTimeout(() => this.giveUp(), DOUBT_MS).unref();
  }

  /** Nobody will say a word. What was given may be another's: who speaks for it is not this host. */
  giveUp(): void {
    clearTimeout(this.#doubt);
    this.#doubt = undefined;
    this.#say = undefined;
    for (const id of [...this.#given.keys()]) this.hear(id, true);
  }
}

/** Mute, deaf, and saved as it is from then on; undefined, and as it was, where it cannot be. */
function save(applications: number): (Omit<Waiting, 'bytes' | 'settle'> & { state: Buffer }) | undefined {
  let fd: number;
  try {
    fd = duplicateFd(applications);
  } catch {
    // No file is left.
    return undefined;
  }
  for (let tries = 0; tries < TRIES; tries++) {
    const frozen = freeze(fd);
    if (frozen instanceof Refusal) break;
    const saved: SavedConnection | Refusal = frozen.save();
    if (saved instanceof Refusal) {
      // It is asked again and again, and its client need not hear of that.
      frozen.thawQuietly();
      if (saved.reason === 'changing') continue;
      break;
    }
    const isDeaf = frozen.deafen();
    const state = encodeSaved(saved);
    const { client, server } = saved;
    if (isDeaf && frozen.isUnchanged()) return { frozen, fd, ends: { client, server }, state };
    frozen.thaw();
  }
  closeFd(fd);
  return undefined;
}
