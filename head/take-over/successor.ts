/**
 * Taking over from a running head: asks it at its admin socket, gets copies of its sockets to warm up with, then of its connections,
 * and answers for all of it from the moment when its *confirmed* could be sent.
 */
import type { Mode } from '../../shared/status.ts';
import { modes } from '../../shared/status.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { peerCredentials } from '../../shared/sys/unix-sockets.ts';
import { trace } from '../../shared/trace.ts';
import {
  decodeFromPredecessor,
  type FromPredecessor,
  SENDING_VERSION,
  TAKE_OVER_VERSIONS,
} from '../../shared/wire/take-over.ts';
import { Inherited } from '../inherited.ts';
import type { PassedConnection } from '../worker-messages.ts';
import { ANSWER_WITHIN_MS, ask } from './ask.ts';
import { failure, killIfThere, refusal } from './faults.ts';
import { type Heard, Pipe } from './pipe.ts';

/** For all of its connections to come after *ready*, milliseconds: it accepts nobody meanwhile, and gives up before. */
const HAND_WITHIN_MS = 5000;
/** For the rest after *confirmed*; a predecessor that is frozen there is ended: its deliveries would wait for it. */
const DONE_WITHIN_MS = 1000;

export interface Handed {
  readonly connections: readonly PassedConnection[];
  /** The predecessor's, and the names of its deliveries, which will register; undefined when it died before it could tell. */
  readonly mode: Mode | undefined;
  readonly deliveries: readonly string[] | undefined;
  /** The highest number that it has given to a migration; undefined as well where it has moved nothing. */
  readonly lastId: number | undefined;
  /** Nothing of the predecessor's is on its way to other hosts. */
  readonly isSettled: boolean;
}

/** Of one that has died. */
const UNTOLD = { mode: undefined, deliveries: undefined, lastId: undefined, isSettled: false };

/** What has changed at the predecessor while it handed over. */
export interface LastWord {
  readonly mode: Mode | undefined;
  /** It has read its settings again since this process began, which may have read them before. */
  readonly isReloaded: boolean;
}

/** Deliveries of other hosts, which may come before this is the head. */
export interface Guests {
  /** Lets them in; false where none are wanted. */
  letIn(): Promise<boolean>;
  /** Resolves when those of these names have come, or are late. */
  arrived(names: readonly string[]): Promise<void>;
}

/** Asks the head at this admin socket. Throws NOT_RUNNING, TAKE_OVER_REFUSED and TAKE_OVER_FAILED. */
export async function askToTakeOver(admin: string): Promise<TakeOver> {
  const { end, version } = await ask(admin);
  const pipe = new Pipe(end, 'predecessor', decodeFromPredecessor);
  try {
    const { message, fds } = await pipe.next(performance.now() + ANSWER_WITHIN_MS);
    if (message.type !== 'sockets' || message.sockets.length !== fds.length) {
      fds.forEach(closeFd);
      throw refusal('it answered with something else than its sockets');
    }
    const inherited = new Inherited(message.sockets.map((socket, i) => ({ ...socket, fd: fds[i]! })));
    return new TakeOver(pipe, inherited, peerCredentials(end).pid, version);
  } catch (error) {
    pipe.close();
    throw error;
  }
}

export class TakeOver {
  readonly inherited: Inherited;
  readonly #pipe: Pipe<FromPredecessor>;
  /** Of the predecessor. */
  readonly pid: number;
  /** In a trace. */
  readonly #name: string;
  readonly #version: number;
  /** Why it is not to become the head; nothing from the moment on in which it may be one. */
  #giveUp: Error | undefined;
  #isDecided = false;

  constructor(
    pipe: Pipe<FromPredecessor>,
    inherited: Inherited,
    pid: number,
    version = Math.max(...TAKE_OVER_VERSIONS),
  ) {
    this.#pipe = pipe;
    this.#name = pipe.name;
    trace?.say(this.#name, 'takeOver', pid);
    this.inherited = inherited;
    this.pid = pid;
    this.#version = version;
  }

  /**
   * Everything is warm: resolves with what the predecessor has handed over, which is this head's from then on. So it is with what
   * had come of one that died: nobody else has its listeners. Throws TAKE_OVER_FAILED, and it is the predecessor's as before.
   */
  async complete(guests?: Guests): Promise<Handed> {
    const connections: PassedConnection[] = [];
    let handed: (FromPredecessor & { type: 'handed' }) | undefined;
    try {
      if (guests) await this.#receive(guests);
      this.#mayGoOn();
      const deadline = performance.now() + HAND_WITHIN_MS;
      trace?.say(this.#name, 'ready');
      await this.#say('ready', deadline);
      while (!handed) {
        const heard = await this.#next(deadline);
        if (!heard) {
          trace?.say(this.#name, 'standIn');
          this.#isDecided = true;
          return { ...UNTOLD, connections };
        }
        const { message, fds } = heard;
        if (message.type === 'connections') connections.push(...passedWith(message, fds));
        else fds.forEach(closeFd);
        if (message.type === 'handed') handed = message;
        else if (message.type !== 'connections')
          throw refusal(`it said ${message.type} before it had handed over`);
      }
      if (handed.count !== connections.length)
        throw refusal(`${connections.length} connections came of ${handed.count}`);
      this.#mayGoOn();
      this.#isDecided = true;
      const at = trace?.now();
      // Who does not hear it has died, or has said that it goes on.
      const isHeard = await this.#say('confirmed', deadline);
      if (!isHeard) await this.#next(deadline);
      if (at !== undefined)
        trace?.sayAt(isHeard ? at : trace.now(), [[this.#name, isHeard ? 'confirm' : 'standIn']]);
      const { mode, deliveries, lastId, settled: isSettled = false } = handed;
      return { connections, mode, deliveries, lastId, isSettled };
    } catch (error) {
      for (const { fd } of connections) closeFd(fd);
      throw error;
    }
  }

  /** The process was told to stop: `complete` throws TAKE_OVER_FAILED, unless this is the head by now. */
  giveUp(): void {
    if (this.#isDecided) return;
    const problem = 'it was told to stop';
    this.#giveUp = failure(problem);
    this.#pipe.cancel(problem);
  }

  #mayGoOn(): void {
    if (this.#giveUp) throw this.#giveUp;
  }

  /** Deliveries of other hosts make their links while the predecessor serves; where it has died they find this head by themselves. */
  async #receive(guests: Guests): Promise<void> {
    if (this.#version < SENDING_VERSION || !(await guests.letIn())) return;
    const deadline = performance.now() + HAND_WITHIN_MS;
    if (!(await this.#say('listening', deadline))) return;
    const heard = await this.#next(deadline);
    if (!heard) return;
    heard.fds.forEach(closeFd);
    if (heard.message.type !== 'sent') throw refusal(`it said ${heard.message.type} where sent was due`);
    // Nothing is said to this head meanwhile: if something is to be read, the predecessor goes on, or has died.
    await this.#pipe.whileSilent(guests.arrived(heard.message.deliveries), deadline);
  }

  /** False when the predecessor hears nothing any more. */
  async #say(type: 'listening' | 'ready' | 'confirmed', deadline: number): Promise<boolean> {
    try {
      await this.#pipe.send({ type }, deadline);
      return true;
    } catch (error) {
      if (this.#pipe.isGone) return false;
      throw error;
    }
  }

  /** Undefined when the predecessor has died; throws when it goes on. */
  async #next(deadline: number): Promise<Heard<FromPredecessor> | undefined> {
    let heard: Heard<FromPredecessor>;
    try {
      heard = await this.#pipe.next(deadline);
    } catch (error) {
      if (this.#pipe.isGone) return undefined;
      throw error;
    }
    if (heard.message.type === 'kept') throw failure(`it goes on: ${heard.message.reason}`);
    return heard;
  }

  /** Gives what comes back from deliveries to `onRest`. Resolves when the predecessor has nothing more: with its last word, if there was one. */
  async rest(onRest: (connections: readonly PassedConnection[]) => void): Promise<LastWord | undefined> {
    try {
      const deadline = performance.now() + DONE_WITHIN_MS;
      for (;;) {
        const { message, fds } = await this.#pipe.next(deadline);
        if (message.type === 'connections') onRest(passedWith(message, fds));
        else fds.forEach(closeFd);
        if (message.type !== 'done') continue;
        const { mode, reloadedMs = Number.POSITIVE_INFINITY } = message;
        return { mode, isReloaded: reloadedMs < performance.now() };
      }
    } catch {
      // It has died, or as good as: its deliveries would wait for it.
      if (!this.#pipe.isGone) {
        trace?.say(this.#name, 'endOther', this.pid);
        killIfThere(this.pid);
      }
      return undefined;
    } finally {
      this.#pipe.close();
    }
  }

  /** Gives up: the predecessor goes on. `close` follows when nothing of what it gave is open any more. */
  async abort(error: unknown): Promise<void> {
    const reason = (error as Error).message.slice(0, 1000);
    trace?.say(this.#name, 'giveUp');
    await this.#pipe.send({ type: 'failed', reason }, performance.now()).catch(() => {});
    this.inherited.closeRest();
  }

  close(): void {
    this.#pipe.close();
  }
}

function passedWith(
  message: FromPredecessor & { type: 'connections' },
  fds: Heard<FromPredecessor>['fds'],
): PassedConnection[] {
  if (fds.length === message.connections.length)
    return message.connections.map((one, i) => ({ ...one, mode: modes.indexOf(one.mode), fd: fds[i]! }));
  fds.forEach(closeFd);
  throw refusal(`${fds.length} sockets came with ${message.connections.length} connections`);
}
