/**
 * What can fail of a head's start and is not needed before it is the head: opened ahead, so that a successor which lacks it says so
 * while its predecessor still serves. Nobody is let in by it.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { HeadSettings } from '../shared/config.ts';
import { listenerOf } from '../shared/sys/listener-of.ts';
import { listenError, needListenerAt } from '../shared/sys/reuseport.ts';
import { closeFd, duplicateFd } from '../shared/sys/sockets.ts';
import { type HostPort, parseHostPort } from '../shared/units.ts';
import type { Inherited } from './inherited.ts';
import type { PreparedRemote } from './migrate/index.ts';
import type { Remote } from './remote.ts';

const kinds = ['metrics', 'control'] as const;
type Kind = (typeof kinds)[number];

export class Ahead {
  readonly #listeners = new Map<Kind, number>();
  #remote: PreparedRemote | undefined;

  /** Takes what there is of `inherited`. Throws a BatonError that says what is not to be had; `close` it then as well. */
  async open(
    settings: HeadSettings,
    listenHost: string,
    inherited: Inherited,
    remote: Remote | undefined,
  ): Promise<void> {
    for (const kind of kinds) {
      const address = settings[kind];
      if (address === undefined) continue;
      const listen = ([fd]: readonly number[]) => listenAt(parseHostPort(address)!, `--${kind}`, fd);
      this.#listeners.set(kind, await inherited.open(kind, listen));
    }
    this.#remote = await remote?.prepareRemote(settings, listenHost);
  }

  /** Its listener, which is the caller's from then on. */
  take(kind: Kind): number | undefined {
    const fd = this.#listeners.get(kind);
    this.#listeners.delete(kind);
    return fd;
  }

  get remote(): PreparedRemote | undefined {
    return this.#remote;
  }

  /** The caller's from then on. */
  takeRemote(): PreparedRemote | undefined {
    const remote = this.#remote;
    this.#remote = undefined;
    return remote;
  }

  /** Lets go of what nobody has taken. */
  async close(): Promise<void> {
    for (const fd of this.#listeners.values()) closeFd(fd);
    this.#listeners.clear();
    await this.takeRemote()?.discard();
  }
}

/** A socket that listens: who connects waits. Throws PORT_IN_USE and its like, and INHERITED_UNUSABLE. */
async function listenAt(address: HostPort, option: string, inherited: number | undefined): Promise<number> {
  if (inherited !== undefined) {
    await needListenerAt(inherited, address);
    return inherited;
  }
  const server = createServer();
  try {
    await once(server.listen(address), 'listening');
    return duplicateFd(listenerOf(server));
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, address, option);
  } finally {
    // The copy listens on. Nobody has been let in: this is the turn of the event loop in which it began to.
    server.close();
  }
}
