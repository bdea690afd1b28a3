/** The TCP listeners that visitors come to; once there are workers they are theirs. */
import type { HeadSettings } from '../shared/config.ts';
import type { HeadStatus } from '../shared/status.ts';
import { bindReuseport, joinListeners } from '../shared/sys/reuseport.ts';
import { closeFd, listen, listenQueue } from '../shared/sys/sockets.ts';
import { formatHostPort, parseHostPort } from '../shared/units.ts';
import type { Inherited, InheritedSocket } from './inherited.ts';
import { workerOf } from './worker-settings.ts';

export class VisitorListeners {
  /** HOST:PORT, with the port that the kernel picked. */
  address = '';
  #fds: number[] = [];

  get fds(): readonly number[] {
    return this.#fds;
  }

  /** Binds them, or goes on with those that are there: nobody can connect to those that are new. Throws PORT_IN_USE and its like. */
  async bind(settings: HeadSettings, inherited: Inherited): Promise<void> {
    const { workers, backlog, listen, holdUnknown } = settings;
    const mayBeElsewhere = holdUnknown > 0;
    const wanted = parseHostPort(listen)!;
    const { fds, bound } = await inherited.open('worker', (given) =>
      given.length > 0
        ? joinListeners(given, wanted, workers, mayBeElsewhere)
        : bindReuseport(wanted, workers, { backlog, mayBeElsewhere }),
    );
    this.#fds = fds;
    this.address = formatHostPort(bound);
  }

  /** Who connects waits. */
  listen(backlog: number): void {
    for (const fd of this.#fds) listen(fd, backlog);
  }

  get sockets(): InheritedSocket[] {
    return this.#fds.map((fd, index) => ({ kind: 'worker', index, fd }));
  }

  queues(workers: number): HeadStatus['listeners'] {
    return this.#fds.map((fd, i) => ({ worker: workerOf(i, workers), ...listenQueue(fd) }));
  }

  /** They are not there any more; without workers they have to be closed (`areOwn`). */
  end(areOwn: boolean): void {
    if (areOwn) this.#fds.forEach(closeFd);
    this.#fds = [];
  }
}
