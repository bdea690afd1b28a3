/**
 * Sockets that a head is given instead of opening them: by the head before it, or by whoever keeps them for it. What each is for
 * is said by its kind, never found out from its address: several may have the same.
 */
import { BatonError } from '../shared/errors.ts';
import { closeFd } from '../shared/sys/sockets.ts';

export const socketKinds = [
  /** A TCP listener that visitors come to; one for each worker. */
  'worker',
  /** The Unix socket (SEQPACKET) at which local deliveries register. */
  'deliveries',
  /** The Unix socket (stream) of the admin interface. */
  'admin',
  /** The TCP listener at which remote deliveries register. */
  'control',
  /** The TCP listener of `--metrics`. */
  'metrics',
] as const;
export type SocketKind = (typeof socketKinds)[number];

/** A listening socket; its fd is the receiver's. */
export interface InheritedSocket {
  readonly kind: SocketKind;
  /** Which of the workers' it is, counted from 0; 0 for the other kinds. */
  readonly index: number;
  readonly fd: number;
  /**
   * An earlier head has opened it, by the settings of that time: where these say something else by now it makes way for another.
   * One that somebody gives on purpose does not.
   */
  readonly isKept?: boolean;
}

/** Told of the sockets that a head listens with, before it is ready and whenever one is replaced. They stay the head's. */
export type OnSockets = (sockets: readonly InheritedSocket[]) => void;

export class Inherited {
  readonly #sockets: readonly InheritedSocket[];
  readonly #left: Set<InheritedSocket>;

  /** Takes over their fds; any number of any kinds, none included. Throws INHERITED_UNUSABLE, with all of them closed, when one comes twice. */
  constructor(sockets: readonly InheritedSocket[]) {
    this.#sockets = sockets.toSorted((a, b) => a.index - b.index);
    this.#left = new Set(sockets);
    const seen = new Set(sockets.map(({ kind, index }) => `${kind} ${kind === 'worker' ? index : 0}`));
    if (seen.size === sockets.length) return;
    this.closeRest();
    throw new BatonError('INHERITED_UNUSABLE', {
      what: 'the sockets that it was given',
      problem: 'two of them are for the same',
    });
  }

  /**
   * Opens what a kind of socket is for, with those that were given in their order, which are `open`'s from then on. Rejects as
   * `open` does.
   */
  async open<T>(kind: SocketKind, open: (given: readonly number[]) => Promise<T>): Promise<T> {
    const taken = this.#sockets.filter((socket) => socket.kind === kind && this.#left.delete(socket));
    try {
      return await open(taken.map(({ fd }) => fd));
    } catch (error) {
      const isOutdated = error instanceof BatonError && error.code === 'INHERITED_UNUSABLE';
      if (!isOutdated || !taken.every(({ isKept }) => isKept)) throw error;
      return await open([]);
    }
  }

  /** Closes those that nobody has taken. */
  closeRest(): void {
    for (const { fd } of this.#left) closeFd(fd);
    this.#left.clear();
  }
}
