/** Has the service manager keep the sockets of a head, so that clients wait in their queues for the next head when this one dies. */
import { fstatSync } from 'node:fs';
import type { InheritedSocket } from '../../head/inherited.ts';
import { type GivenSocket, keptName } from './given.ts';
import type { ServiceManager } from './service-manager.ts';

export class Keeping {
  readonly #manager: Pick<ServiceManager, 'keep' | 'forget'>;
  /** By name, which socket is kept: its inode. */
  readonly #kept = new Map<string, bigint>();
  /** Those that come again by themselves. */
  readonly #given: ReadonlySet<bigint>;

  /** `given`: the sockets that this process was started with. */
  constructor(manager: Pick<ServiceManager, 'keep' | 'forget'>, given: readonly GivenSocket[]) {
    this.#manager = manager;
    this.#given = new Set(given.filter(({ isKept }) => !isKept).map(({ fd }) => inode(fd)));
    for (const socket of given) if (socket.isKept) this.#kept.set(socket.name, inode(socket.fd));
  }

  /** Has these kept, and no others. */
  readonly keep = (sockets: readonly InheritedSocket[]): void => {
    const wanted = new Map<string, InheritedSocket>();
    for (const socket of sockets)
      if (!this.#given.has(inode(socket.fd))) wanted.set(keptName(socket), socket);
    for (const [name, known] of [...this.#kept]) {
      const now = wanted.get(name);
      if (now && inode(now.fd) === known) continue;
      this.#manager.forget(name);
      this.#kept.delete(name);
    }
    for (const [name, { fd }] of wanted) {
      if (this.#kept.has(name)) continue;
      this.#manager.keep(name, fd);
      this.#kept.set(name, inode(fd));
    }
  };
}

const inode = (fd: number): bigint => fstatSync(fd, { bigint: true }).ino;
