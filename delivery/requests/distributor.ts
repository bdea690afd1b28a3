/**
 * Distribution by request: the next request of a connection goes to the delivery that is chosen for it. What has come is looked at
 * before it is read, so that a connection that goes has it unread, and whoever gets that finds it as if it had just come.
 *
 * Node reads what it watches. So while it is between two requests a connection is not Node's to watch: it is in an epoll of its own
 * kind here, and its handle's `readStart` does nothing. What stays is taken out of the socket and pushed to the server, which costs
 * two calls instead of one; nothing is done when an answer has ended. Whatever is no whole request at a boundary (a body, a part
 * of a head, what is pipelined, an end) is left to Node until the answer has ended.
 */
import { Server as HttpServer } from '../../shared/node-http.ts';
import { BROKEN, createEpoll, EDGE, type Epoll, PEER_ENDED, READABLE } from '../../shared/sys/epoll.ts';
import { EAGAIN } from '../../shared/sys/libc.ts';
import { allocate, type Memory } from '../../shared/sys/memory.ts';
import { type Readiness, watchReadable } from '../../shared/sys/readiness.ts';
import { closeFd, discard, peek } from '../../shared/sys/sockets.ts';
import type { AdoptedSocket } from '../adopt.ts';
import { apart } from '../apart.ts';
import type { Arrival } from '../connections.ts';
import { hold } from '../held.ts';
import { isHttp1, socketsBetweenRequests, tellOfRequests } from '../http-connections.ts';
import { DeliveryWayBack } from '../way-back.ts';
import { Answers } from './answers.ts';
import type { DistributorParts } from './parts.ts';
import { Room } from './room.ts';
import { GIVES, KEEPS, type Standing } from './standing.ts';
import { hide, type Looker, show, Watch } from './watch.ts';

/** Bytes of a request that are looked at, and connections of one turn of the event loop. */
const LENGTH = 4096;
const A_TURN = 64;
const GONE = PEER_ENDED | BROKEN;

export class Distributor implements Looker {
  readonly #parts: DistributorParts;
  readonly #watches = new Map<number, Watch>();
  /** From its first use on. */
  #memory!: Memory;
  #epoll: Epoll | undefined;
  #ready: Readiness | undefined;
  #isOn = false;
  #isOver = false;
  #tags = 0;
  /** Of those that were told of together. */
  #toLook = 0;
  /** On these some are to be asked about. */
  readonly #asking = new Set<DeliveryWayBack>();
  #turn = 0;
  readonly #room: Room;
  readonly #answers: Answers;

  constructor(parts: DistributorParts) {
    this.#parts = parts;
    this.#room = new Room({
      hasRoom: (watch) => this.#wayOf(watch)?.mayAsk(false) ?? true,
      go: (watch) => this.look(watch),
      giveUp: this.#serveHere,
    });
    this.#answers = new Answers(parts.connections, (ended, hasOthers) => this.#takeEnded(ended, hasOthers));
  }

  /** A head has said something, or is gone. */
  changed(): void {
    const ways = this.#isOver ? [] : this.#parts.waysBack();
    const isOn = ways.some(({ isOpen, standing }) => isOpen && standing?.matters);
    if (isOn === this.#isOn) return;
    this.#isOn = isOn;
    if (isOn) this.#start();
    else this.#stop();
  }

  end(): void {
    this.#isOver = true;
    this.changed();
    if (!this.#epoll) return;
    this.#ready!.close();
    closeFd(this.#epoll.fd);
  }

  #start(): void {
    const { server, admission } = this.#parts;
    if (!this.#epoll) {
      this.#memory = allocate(LENGTH);
      this.#epoll = createEpoll(A_TURN);
      this.#ready = watchReadable(this.#epoll.fd, this.#onReady);
      this.#ready.unref();
    }
    this.#answers.start();
    // Of others, and of those that are paused at first, it is found when an answer has ended whether they are watched.
    if (server instanceof HttpServer && !(server as { pauseOnConnect?: boolean }).pauseOnConnect) {
      admission.prepare = hide;
      admission.watch = (socket, arrival) => this.#onAdmitted(socket, arrival);
    }
    this.#takeIdle();
  }

  #stop(): void {
    const { admission } = this.#parts;
    admission.prepare = admission.watch = undefined;
    this.#answers.stop();
    this.#room.clear();
    for (const watch of [...this.#watches.values()]) this.#leaveToServer(watch);
  }

  #onAdmitted(socket: AdoptedSocket, arrival: Arrival): void {
    if (socket.destroyed || !socket.ownsHandle) return;
    if (this.#isOn && tellOfRequests(socket)) this.#take(this.#watch(socket, arrival));
    else show(socket.adopted);
  }

  /** Those that have nothing to do now; others when their answer has ended. */
  #takeIdle(): void {
    const idle = socketsBetweenRequests(this.#parts.server);
    this.#parts.connections.each((socket, arrival) => {
      if (socket.watcher || !idle.has(socket) || !socket.ownsHandle || socket.isHeld) return;
      if (tellOfRequests(socket)) this.#take(this.#watch(socket, arrival));
    });
  }

  #watch(socket: AdoptedSocket, arrival: Arrival): Watch {
    this.#tags = (this.#tags + 1) | 0;
    const watch = new Watch(socket, arrival, this.#tags, this);
    socket.watcher = watch;
    socket.adopted.watcher = watch;
    this.#watches.set(watch.tag, watch);
    return watch;
  }

  /** From here on what comes is looked at. */
  #take(watch: Watch): void {
    const { handle, tag } = watch;
    try {
      this.#epoll!.add(handle.fd, READABLE | PEER_ENDED | EDGE, tag);
    } catch {
      // The kernel has no memory for it, or the user has as many as may be watched: this one stays.
      watch.says('unwatch');
      return this.#drop(watch);
    }
    watch.says('watch');
    handle.readStop();
    hide(handle);
    watch.isOurs = true;
  }

  /** Node reads it, until its answer has ended. */
  #leaveToServer(watch: Watch): void {
    const { socket, handle } = watch;
    if (socket.isHeld) {
      watch.isMissed = true;
      return;
    }
    if (watch.isOurs) {
      watch.isOurs = false;
      this.#epoll!.remove(handle.fd);
      watch.says('leaveToServer');
      show(handle);
    }
    if (this.#isOn && isHttp1(socket)) return;
    watch.says('unwatch');
    this.#drop(watch);
  }

  /** Nothing is known of it from here on. */
  #drop(watch: Watch): void {
    watch.isClosed = true;
    this.#watches.delete(watch.tag);
    watch.socket.watcher = watch.handle.watcher = undefined;
    if (!watch.isOurs) show(watch.handle);
  }

  /** It is about to be closed. Somebody else may have the connection, so that the kernel would go on to tell of it. */
  forget(watch: Watch): void {
    if (watch.isOurs) this.#epoll!.remove(watch.handle.fd);
    this.#drop(watch);
  }

  readonly #onReady = (): void => {
    const epoll = this.#epoll!;
    const count = epoll.wait(0);
    let first: Watch | undefined;
    for (let i = 0; i < count; i++) {
      const watch = this.#watches.get(epoll.tagAt(i));
      if (!watch) continue;
      watch.events |= epoll.eventsAt(i);
      this.#toLook++;
      // Each in a callback of its own, for the application runs in there.
      if (first) setImmediate(watch.look);
      else first = watch;
    }
    first?.look();
  };

  /** What is asked about them leaves when all that were told of together have been looked at. */
  look(watch: Watch): void {
    try {
      this.#look(watch);
    } finally {
      if (this.#toLook > 0) this.#toLook--;
      if (this.#toLook === 0) this.#flush();
    }
  }

  #look(watch: Watch): void {
    const { socket, handle, events } = watch;
    watch.events = 0;
    if (watch.isClosed) return;
    if (socket.isHeld) {
      if (watch.isOurs) watch.says('told');
      watch.isMissed = true;
      return;
    }
    watch.isMissed = false;
    if (!this.#isOn || !socket.ownsHandle) return this.#leaveToServer(watch);
    if (!watch.isOurs || (watch.queuedSince > 0 && (events & GONE) === 0)) return;
    const way = this.#wayOf(watch);
    const standing = way?.standing;
    if ((events & GONE) !== 0 || !standing || !watch.isBetweenRequests) return this.#serveByNode(watch);
    const n = peek(handle.fd, this.#memory, 0, LENGTH);
    if (n === EAGAIN) return;
    if (n <= 0) return this.#serveByNode(watch);
    const verdict = standing.judge(this.#memory.bytes, n, () => socket.remoteAddress ?? '');
    if (verdict === KEEPS) this.#serve(watch, n);
    else this.#offer(watch, way, standing, verdict === GIVES);
  }

  /** Of what an earlier head had handed over any worker of this one knows as much. */
  #wayOf({ arrival }: Watch): DeliveryWayBack | undefined {
    const { wayBack } = arrival;
    if (wayBack instanceof DeliveryWayBack && wayBack.isOpen) return wayBack;
    const ways = this.#parts.waysBack();
    return ways[++this.#turn % ways.length];
  }

  #serveByNode(watch: Watch): void {
    watch.queuedSince = 0;
    this.#leaveToServer(watch);
  }

  /** The `n` bytes that were looked at are the server's. The application runs in here: it comes last. */
  #serve(watch: Watch, n: number): void {
    const { socket, handle } = watch;
    watch.queuedSince = 0;
    // There may be more, of which nobody would be told again.
    if (n === LENGTH) return this.#leaveToServer(watch);
    const input = Buffer.allocUnsafe(n);
    this.#memory.bytes.copy(input, 0, 0, n);
    watch.says('read', n, LENGTH);
    if (discard(handle.fd, n) !== n) return this.#leaveToServer(watch);
    try {
      socket.give(input);
    } finally {
      if (!watch.isClosed && !isHttp1(socket)) this.#leaveToServer(watch);
    }
  }

  /** It goes on here, after all. */
  readonly #serveHere = (watch: Watch): void => {
    watch.queuedSince = 0;
    // Its mover may have been quicker. When that has come to nothing it is looked at: of what has come nobody is told again.
    if (watch.socket.isHeld) watch.isMissed = true;
    if (watch.isClosed || !watch.isOurs || watch.socket.isHeld) return;
    const n = this.#isOn && watch.isBetweenRequests ? peek(watch.handle.fd, this.#memory, 0, LENGTH) : 0;
    if (n > 0) this.#serve(watch, n);
    else if (n !== EAGAIN) this.#leaveToServer(watch);
  };

  /** `toAnother`: whoever it is for, it is not this one. */
  #offer(watch: Watch, way: DeliveryWayBack, standing: Standing, toAnother: boolean): void {
    if (!way.mayAsk(toAnother)) way.flush();
    if (!way.mayAsk(toAnother)) return this.#room.wait(watch);
    const held = hold(watch.socket);
    if (!held) return this.#serveByNode(watch);
    watch.says('ask');
    const { key } = standing;
    way.ask(held.fd, toAnother, (isMoved, isChosen) => {
      this.#room.made();
      if (isMoved) {
        standing.moved();
        return apart(held.letGo);
      }
      if (isChosen) standing.chosen(key);
      else standing.declined();
      if (!watch.isClosed) watch.says('stay');
      apart(held.release);
      setImmediate(this.#serveHere, watch);
    });
    this.#asking.add(way);
  }

  #flush(): void {
    for (const way of this.#asking) way.flush();
    this.#asking.clear();
  }

  /** What comes next on these is looked at again. */
  #takeEnded(ended: readonly Watch[], hasOthers: boolean): void {
    if (!this.#isOn) return;
    for (const watch of ended) if (watch.isLeft) this.#take(watch);
    if (hasOthers) this.#takeIdle();
  }
}
