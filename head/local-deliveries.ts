/**
 * Where deliveries of this host come in: the head's Unix socket. Who connects is of the right user or group, and is from
 * then on a peer of which local-delivery.ts knows more. Whoever connects without end takes the place of others like it, and
 * no more.
 */
import { BatonError } from '../shared/errors.ts';
import { type Logger, Sparingly } from '../shared/log.ts';
import { EAGAIN, errnoName } from '../shared/sys/libc.ts';
import { type Readiness, watchReadable } from '../shared/sys/readiness.ts';
import { acceptNonBlocking, closeFd } from '../shared/sys/sockets.ts';
import { keepListening, listenAt, type SocketFile, type SocketWish } from '../shared/sys/unix-path.ts';
import { peerCredentials, peerGroups } from '../shared/sys/unix-sockets.ts';
import { openChannel } from '../shared/wire/channel.ts';
import { LocalDelivery } from './local-delivery.ts';
import type { Registry } from './registry.ts';

/** Peers that have connected and are not registered yet, at most; a delivery is one for a moment. */
const PENDING_MAX = 128;
/** With no fd left, how long until accepting is tried again, milliseconds. */
const ACCEPT_PAUSE_MS = 100;
/** Connections that wait to be accepted. */
const BACKLOG = 64;

export interface LocalDeliveriesParts {
  readonly path: string;
  /** Members of this group may register as well. */
  readonly group: number | undefined;
  readonly registry: Registry;
  readonly log: Logger;
}

export class LocalDeliveries {
  readonly #parts: LocalDeliveriesParts;
  /** Connected, not registered yet; the one that has waited longest is first. */
  readonly #pending = new Set<LocalDelivery>();
  readonly #failures = new Sparingly(1);
  readonly #forbidden = new Sparingly();
  #file: SocketFile | undefined;
  #ready: Readiness | undefined;
  #pause: NodeJS.Timeout | undefined;
  #mayEnter = false;
  #stopped = false;

  constructor(parts: LocalDeliveriesParts) {
    this.#parts = parts;
  }

  /** Takes the path, or goes on with a socket that is there; who connects waits. Throws as listenAt and keepListening. */
  async listen(inherited?: number): Promise<void> {
    const { path, group, log } = this.#parts;
    const wish: SocketWish = { path, type: 'seqpacket', backlog: BACKLOG, option: '--socket', group };
    this.#file = inherited === undefined ? await listenAt(wish) : keepListening(inherited, wish);
    if (this.#file.replaced) log.warn({ path }, 'replaced a socket that a dead head left');
    if (this.#stopped) this.#giveBack();
  }

  get fd(): number | undefined {
    return this.#file?.fd;
  }

  /** Lets those in who wait, and who come from now on. */
  open(): void {
    this.#mayEnter = true;
    this.#watch();
  }

  /** False when the path leads to no socket, or to another. */
  get isThere(): boolean {
    return this.#file?.isThere() ?? true;
  }

  /** Takes the path anew, after somebody has removed it. Throws as listenAt. */
  async listenAgain(): Promise<void> {
    const old = this.#file;
    await this.listen();
    if (old) closeFd(old.fd);
    this.#watch();
  }

  #watch(): void {
    clearTimeout(this.#pause);
    this.#ready?.close();
    if (this.#file && this.#mayEnter) this.#ready = watchReadable(this.#file.fd, () => this.#accept());
  }

  #accept(): void {
    // At most so many at once: others of the main thread want their turn.
    for (let i = 0; i < BACKLOG && this.#file; i++) {
      const fd = acceptNonBlocking(this.#file.fd);
      if (fd === EAGAIN) return;
      if (fd >= 0) this.#admit(fd);
      else return this.#rest(fd);
    }
  }

  /** The listener stays readable, so it is left alone for a while. */
  #rest(errno: number): void {
    this.#failures.tell((more) =>
      this.#parts.log.warn({ errno: errnoName(errno), ...more }, 'cannot accept a delivery; trying again'),
    );
    this.#ready?.close();
    this.#pause = setTimeout(() => this.#watch(), ACCEPT_PAUSE_MS);
    // Somebody who connected and said nothing has the fd that a delivery needs.
    this.#sendOneAway();
  }

  /** Takes over the socket of somebody who has connected. */
  #admit(fd: number): void {
    const { group, registry, log } = this.#parts;
    const own = process.getuid!();
    const { uid, gid, pid } = peerCredentials(fd);
    const isMember = group !== undefined && (gid === group || peerGroups(fd).includes(group));
    if (uid !== own && uid !== 0 && !isMember) {
      const error = new BatonError('PEER_FORBIDDEN', { pid, uid, own });
      this.#forbidden.tell((more) => log.warn({ peerPid: pid, ...more }, error.message));
      return refuseAtOnce(fd, error);
    }
    if (this.#pending.size >= PENDING_MAX) this.#sendOneAway();
    const peer = new LocalDelivery(fd, pid, registry, log, () => this.#pending.delete(peer));
    this.#pending.add(peer);
  }

  /** The one that has waited longest without a word, else the one that has waited longest. */
  #sendOneAway(): void {
    let chosen: LocalDelivery | undefined;
    for (const peer of this.#pending) {
      chosen ??= peer;
      if (!peer.isSilent) continue;
      chosen = peer;
      break;
    }
    chosen?.cutOff('too many others came before it said hello');
  }

  /** Gives the path back: a successor may take it. Those who are in stay. */
  stopListening(): void {
    this.#stopped = true;
    clearTimeout(this.#pause);
    this.#ready?.close();
    this.#giveBack();
    for (const peer of this.#pending) peer.cutOff('the head stops');
  }

  #giveBack(): void {
    this.#file?.remove();
    if (this.#file) closeFd(this.#file.fd);
    this.#file = undefined;
  }
}

function refuseAtOnce(fd: number, error: BatonError): void {
  const channel = openChannel(fd, { onMessage() {}, onEnd() {} });
  channel.send({ type: 'refused', code: error.code, reason: error.message });
  channel.end();
}
