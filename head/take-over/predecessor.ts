/**
 * Handing over to a successor: lets one ask at a time, gives it copies, and keeps everything until it has said *confirmed*. What it
 * says too late fails at its side, so that both always agree on whose the connections are.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { BatonError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';
import { type Mode, modes } from '../../shared/status.ts';
import { listenerOf } from '../../shared/sys/listener-of.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { peerCredentials } from '../../shared/sys/unix-sockets.ts';
import { trace } from '../../shared/trace.ts';
import {
  commonTakeOverVersion,
  decodeFromSuccessor,
  type FromSuccessor,
  PASSED_AT_ONCE,
  SENDING_VERSION,
} from '../../shared/wire/take-over.ts';
import type { InheritedSocket } from '../inherited.ts';
import type { PassedConnection } from '../worker-messages.ts';
import { answerWithPipe, refuse } from './answers.ts';
import { failure, killIfThere, refusal } from './faults.ts';
import { Pipe } from './pipe.ts';

/** For a successor to start and to warm up, milliseconds: emulated machines are slow. */
const READY_WITHIN_MS = 60_000;
/** For it to take what it is handed, and to confirm: nobody is accepted meanwhile. */
const CONFIRM_WITHIN_MS = 2000;
/** For a successor to let go of everything when the head itself ends. */
const LET_GO_WITHIN_MS = 2000;
/** For what came back after that. */
const REST_WITHIN_MS = 500;

/** The head that hands over. */
export interface Predecessor {
  /** Its listening sockets, which stay its own. */
  sockets(): InheritedSocket[];
  readonly mode: Mode;
  /** Since it has read its settings again; undefined when it never has. */
  readonly reloadedMs: number | undefined;
  /** Names of the deliveries that will register with the successor, and that it may give something to. */
  readonly deliveries: readonly string[];
  /** Asks deliveries of other hosts to come to the successor as well, which lets them in instead of this head; their names. */
  sendDeliveries(): string[];
  /** Accepts nobody and touches nothing from here on; resolves with all that it holds. */
  freeze(): Promise<readonly PassedConnection[]>;
  /** While it is frozen: the highest number that it has given to a migration; it gives no other. */
  readonly lastId: number | undefined;
  /** While it is frozen: nothing is on its way to other hosts. */
  readonly isSettled: boolean;
  /** Goes on as if nothing had been. */
  thaw(): void;
  /** It is not the head any more: deliveries are told; resolves with what they gave back. */
  depart(): Promise<readonly PassedConnection[]>;
  /** Ends; the successor is the process with this pid. */
  release(successor: number): Promise<void>;
}

export class Succession {
  readonly #head: Predecessor;
  readonly #log: Logger;
  /** How a successor is started; undefined for a head within another program. */
  readonly #command: readonly string[] | undefined;
  #pipe: Pipe<FromSuccessor> | undefined;
  #upgrade: { readonly child: ChildProcess; readonly outcome: PromiseWithResolvers<number> } | undefined;
  #handing: Promise<void> | undefined;
  #over = false;
  #isStopping = false;
  #stopped = false;

  constructor(head: Predecessor, command: readonly string[] | undefined, log: Logger) {
    this.#head = head;
    this.#command = command;
    this.#log = log;
  }

  /** Starts a successor; resolves with its pid when it has taken over. Throws TAKE_OVER_FAILED and TAKE_OVER_REFUSED. */
  async upgrade(): Promise<number> {
    const [program, ...args] = this.#commandIfFree();
    // A watchdog of systemd's means whoever says that it is the unit's process (sd_watchdog_enabled(3)).
    const { WATCHDOG_PID: _, ...env } = process.env;
    const child = spawn(program!, args, { stdio: 'inherit', env });
    const outcome = Promise.withResolvers<number>();
    this.#upgrade = { child, outcome };
    child.once('error', (error) =>
      outcome.reject(failure(`its successor cannot be started: ${error.message}`)),
    );
    child.once('exit', (code, signal) =>
      outcome.reject(failure(`its successor ended (${signal ?? `status ${code}`}); see its log`)),
    );
    const timer = setTimeout(
      () => outcome.reject(failure('its successor was not ready in time')),
      READY_WITHIN_MS + CONFIRM_WITHIN_MS,
    );
    try {
      return await outcome.promise;
    } catch (error) {
      child.kill('SIGKILL');
      this.#log.error((error as Error).message);
      throw error;
    } finally {
      clearTimeout(timer);
      child.unref();
      this.#upgrade = undefined;
    }
  }

  /** What it throws is logged: who has sent a signal hears nothing else. */
  #commandIfFree(): readonly string[] {
    try {
      this.#checkFree();
      if (this.#command) return this.#command;
      throw refusal('it runs within another program, which has to start the successor');
    } catch (error) {
      this.#log.warn((error as Error).message);
      throw error;
    }
  }

  #checkFree(pid?: number): void {
    if (this.#over) throw refusal('it has a successor already');
    if (this.#stopped) throw refusal('it stops');
    const isOther = this.#upgrade !== undefined && this.#upgrade.child.pid !== pid;
    if (this.#pipe || isOther) throw refusal('another one is about to take over');
  }

  /** Somebody at the admin socket asks. `versions`: its Upgrade header. The socket is this object's. */
  ask(socket: Socket, versions: string): void {
    socket.on('error', () => {});
    try {
      const { uid, pid } = peerCredentials(listenerOf(socket));
      const own = process.getuid!();
      if (uid !== own) throw refusal(`user ${uid} asks, and it is a head of user ${own}`);
      this.#checkFree(pid);
      const version = commonTakeOverVersion(versions);
      const { end, name } = answerWithPipe(socket, version);
      this.#pipe = new Pipe(end, 'successor', decodeFromSuccessor);
      this.#handing = this.#handOver(this.#pipe, version, pid, name);
    } catch (error) {
      const known = error instanceof BatonError ? error : failure((error as Error).message);
      this.#log.warn(known.message);
      refuse(socket, known);
    }
  }

  async #handOver(pipe: Pipe<FromSuccessor>, version: number, pid: number, name: string): Promise<void> {
    const since = performance.now();
    trace?.say(name, 'handOver', pid);
    this.#log.info({ successor: pid }, 'a successor warms up');
    let frozen = 0;
    let count = 0;
    try {
      const ready = since + READY_WITHIN_MS;
      const sockets = this.#head.sockets();
      await pipe.send(
        { type: 'sockets', sockets: sockets.map(({ kind, index }) => ({ kind, index })) },
        ready,
        sockets.map(({ fd }) => fd),
      );
      await this.#untilReady(pipe, version, ready);
      frozen = performance.now();
      count = await this.#pass(pipe, version, frozen + CONFIRM_WITHIN_MS, name);
    } catch (error) {
      // Only now is it certain that it has not: what it may have said last is read, and what it says from here on fails there.
      if (pipe.refuseMore()?.message.type !== 'confirmed' || frozen === 0)
        return await this.#goOn(pipe, pid, name, error);
    }
    this.#over = true;
    trace?.say(name, 'depart');
    const confirmed = performance.now();
    const rest = await this.#head.depart();
    try {
      const deadline = performance.now() + REST_WITHIN_MS;
      await this.#send(pipe, rest, deadline);
      const { mode, reloadedMs } = this.#head;
      const reloaded = reloadedMs !== undefined && { reloadedMs };
      await pipe.send({ type: 'done', ...(version >= SENDING_VERSION && { mode, ...reloaded }) }, deadline);
    } catch (error) {
      this.#log.error((error as Error).message);
    }
    pipe.close();
    const figures = { successor: pid, connections: count + rest.length };
    const warmedMs = Math.round(frozen - since);
    const stoodMs = Math.round(confirmed - frozen);
    const restMs = Math.round(performance.now() - confirmed);
    this.#log.info({ ...figures, warmedMs, stoodMs, restMs }, 'the successor has taken over');
    this.#upgrade?.outcome.resolve(pid);
    void this.#head.release(pid);
  }

  async #untilReady(pipe: Pipe<FromSuccessor>, version: number, deadline: number): Promise<void> {
    const first = await pipe.next(deadline);
    if (version < SENDING_VERSION || first.message.type !== 'listening') return expect(first, 'ready');
    expect(first, 'listening');
    await pipe.send({ type: 'sent', deliveries: this.#head.sendDeliveries() }, deadline);
    expect(await pipe.next(deadline), 'ready');
  }

  /** Passes on all that there is; resolves when it is the successor's. */
  async #pass(pipe: Pipe<FromSuccessor>, version: number, deadline: number, name: string): Promise<number> {
    const connections = await within(this.#head.freeze(), deadline);
    trace?.say(name, 'frozen');
    await this.#send(pipe, connections, deadline);
    const { mode, deliveries, lastId, isSettled } = this.#head;
    const count = connections.length;
    const settled = isSettled && { settled: true as const };
    const last = version >= SENDING_VERSION && lastId !== undefined && { lastId, ...settled };
    await pipe.send({ type: 'handed', count, mode, deliveries: [...deliveries], ...last }, deadline);
    expect(await pipe.next(deadline), 'confirmed');
    return connections.length;
  }

  async #send(
    pipe: Pipe<FromSuccessor>,
    connections: readonly PassedConnection[],
    deadline: number,
  ): Promise<void> {
    for (let first = 0; first < connections.length; first += PASSED_AT_ONCE) {
      const some = connections.slice(first, first + PASSED_AT_ONCE);
      const described = some.map(({ fd: _, ...one }) => ({ ...one, mode: modes[one.mode]! }));
      await pipe.send(
        { type: 'connections', connections: described },
        deadline,
        some.map(({ fd }) => fd),
      );
    }
  }

  async #goOn(pipe: Pipe<FromSuccessor>, pid: number, name: string, error: unknown): Promise<void> {
    const reason = (error as Error).message;
    trace?.say(name, 'goOn');
    try {
      await pipe.send({ type: 'kept', reason: reason.slice(0, 1000) }, performance.now());
    } catch {
      // It has gone, or takes nothing: without the word it would hold this head for dead once it goes on.
      if (!pipe.isGone) this.#end(pid, name);
    }
    this.#head.thaw();
    // It has copies of the listeners: when this head has ended clients would wait in queues of nobody.
    if (this.#isStopping && !(await pipe.untilClosed(LET_GO_WITHIN_MS))) this.#end(pid, name);
    pipe.close();
    this.#pipe = undefined;
    this.#log.warn(`${reason}; this head goes on`);
    this.#upgrade?.outcome.reject(error);
  }

  #end(pid: number, name: string): void {
    trace?.say(name, 'endOther', pid);
    killIfThere(pid);
  }

  /** The head stops: nobody is to take over. False when somebody has. */
  async abort(): Promise<boolean> {
    this.#isStopping = true;
    this.#pipe?.cancel('the head was told to stop');
    this.#upgrade?.outcome.reject(failure('the head was told to stop'));
    await this.#handing;
    if (!this.#over) this.#stopped = true;
    return !this.#over;
  }
}

/** What it resolves with. Throws TAKE_OVER_FAILED when it has not at `deadline`. */
async function within<T>(promise: Promise<T>, deadline: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(failure('a worker did not answer in time')),
    deadline - performance.now(),
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function expect({ message, fds }: Awaited<ReturnType<Pipe<FromSuccessor>['next']>>, type: string): void {
  fds.forEach(closeFd);
  if (message.type === type) return;
  throw failure(
    message.type === 'failed' ? message.reason : `the successor said ${message.type} where ${type} was due`,
  );
}
