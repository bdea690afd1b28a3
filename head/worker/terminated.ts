/**
 * Connections whose TLS this head ends, because it answers them itself: the TLS thread (see tls/) has the talking, and the
 * worker decides on the request as if it had come in the clear. The fd stays the worker's, which leaves it alone until the
 * thread says that it is over.
 */
import { createFound, type Found } from '../found.ts';
import { modeHandlers } from '../modes/index.ts';
import { NOBODY } from '../modes/mode.ts';
import { HTTP, TLS } from '../refusals.ts';
import type { Hearing } from '../tls/messages.ts';
import { byName } from '../tls/names.ts';
import type { FromWorker, Tuning } from '../worker-messages.ts';
import { type Connections, TERMINATED } from './connections.ts';
import type { WorkerDesk } from './desk.ts';
import { inspect } from './inspect/index.ts';
import { COMPLETE, REFUSED } from './inspect/kind.ts';
import { serverName } from './inspect/name.ts';
import { steps } from './steps.ts';

const HTTP_1_1 = 'http/1.1';
const AS_HTTP = { speaks: HTTP, isHead: false, stream: 0 };

/** What the desk does with them. */
export class Terminator {
  readonly #connections: Connections;
  readonly #tell: (message: FromWorker) => void;
  #isOurs: (name: string) => boolean = () => false;
  /** Those that have no answer yet, and those that have one. */
  readonly #asking = new Set<number>();
  readonly #ending = new Set<number>();

  constructor(connections: Connections, tell: (message: FromWorker) => void) {
    this.#connections = connections;
    this.#tell = tell;
  }

  /** There are certificates for these names, and one for who names none. Until it is called there is none at all. */
  setNames(names: readonly string[] | undefined): void {
    this.#isOurs = () => false;
    if (names === undefined) return;
    const find = byName([{ names, value: true }]);
    this.#isOurs = (name) => name === '' || find(name) === true;
  }

  /** Begins to speak TLS with its client; false where that cannot be. */
  begin(fd: number, found: Found): boolean {
    if (found.speaks !== TLS || !this.#isOurs(serverName(found))) return false;
    const protocols = found.protocols();
    if (protocols.length > 0 && !protocols.includes(HTTP_1_1)) return false;
    this.#connections.unwatch(fd);
    this.#connections.setState(fd, TERMINATED);
    steps?.terminate(fd);
    this.#asking.add(fd);
    this.#tell({ type: 'tls-begin', fd });
    return true;
  }

  /** It is, or was, one of these. */
  has(fd: number): boolean {
    return this.#connections.state(fd) === TERMINATED;
  }

  isAsking(fd: number): boolean {
    return this.#asking.has(fd);
  }

  /** The whole of its answer; empty where there is none to give. */
  answer(fd: number, bytes: Uint8Array): void {
    if (!this.#asking.delete(fd)) return;
    this.#ending.add(fd);
    this.#tell({ type: 'tls-answer', fd, bytes });
  }

  /** The one that has waited longest for its answer; -1 when none does. */
  get oldest(): number {
    for (const fd of this.#asking) return fd;
    return -1;
  }

  /** Nothing of it is left in the TLS thread; true when it had no answer. */
  over(fd: number): boolean {
    this.#ending.delete(fd);
    return this.#asking.delete(fd);
  }

  /** Those that the TLS thread still has. */
  get left(): readonly number[] {
    return [...this.#asking, ...this.#ending];
  }
}

/** What is heard of them. */
export class TerminatedReader {
  readonly #connections: Connections;
  readonly #desk: WorkerDesk;
  readonly #terminator: Terminator;
  readonly #tuning: Pick<Tuning, 'headBytes'>;
  readonly #found = createFound();

  constructor(
    connections: Connections,
    desk: WorkerDesk,
    terminator: Terminator,
    tuning: Pick<Tuning, 'headBytes'>,
  ) {
    this.#connections = connections;
    this.#desk = desk;
    this.#terminator = terminator;
    this.#tuning = tuning;
  }

  /** The client has sent these bytes so far. */
  heard(fd: number, bytes: Uint8Array, how: Hearing): void {
    if (!this.#terminator.isAsking(fd)) return;
    const found = this.#found;
    const verdict = inspect(found, bytes, bytes.length, this.#tuning.headBytes);
    // TLS within TLS, or HTTP/2 that was not agreed upon.
    if (found.speaks !== HTTP) this.#desk.fail(fd, 'not_http', 'badRequest', AS_HTTP);
    else if (verdict === REFUSED) this.#desk.fail(fd, found.failure, found.answer, found);
    else if (verdict === COMPLETE)
      modeHandlers[this.#connections.mode[fd]!]!.act(this.#desk, fd, found, NOBODY);
    else if (how === 'late') this.#desk.fail(fd, 'too_slow', 'timeout', found);
    else if (how === 'ended' && bytes.length > 0) this.#desk.fail(fd, 'incomplete', 'badRequest', found);
    else if (how === 'ended') this.#desk.fail(fd, 'client_gone', undefined, found);
  }

  /** Gives up on the one that has waited longest. False: there is room for another when the TLS thread has ended it. */
  evict(): false {
    const { oldest } = this.#terminator;
    if (oldest >= 0) this.#desk.fail(oldest, 'crowded', undefined, AS_HTTP);
    return false;
  }

  /** The head has stopped: closes all. */
  close(): void {
    for (const fd of this.#terminator.left) {
      if (this.#terminator.over(fd)) this.#desk.abandon(fd, 'stopped');
      else this.#connections.close(fd);
    }
  }

  /** `lost`: the TLS thread has failed, and may have left something of the client's unread: no answer is reset for that. */
  over(fd: number, whole: boolean, lost = false): void {
    if (!this.#terminator.has(fd)) return;
    const isAsking = this.#terminator.over(fd);
    if (lost) this.#desk.breakOff(fd, isAsking ? 'handshake_failed' : undefined);
    else if (isAsking) this.#desk.abandon(fd, whole ? 'client_gone' : 'handshake_failed');
    else this.#connections.close(fd);
  }
}
