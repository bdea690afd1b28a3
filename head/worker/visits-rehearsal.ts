/**
 * Visits that nobody makes, before the worker of a successor is ready: in a loop as its own will be, with a listener, clients and a
 * delivery that are played between two turns of it, and counts that nobody reads. Who waits in the accept queue when a head takes
 * over comes all at once, and would be served by code that runs for the first time.
 */
import { modes } from '../../shared/status.ts';
import { bindTo, connectTo, type Endpoint, localEndpoint, tcpSocketFor } from '../../shared/sys/endpoints.ts';
import { EINPROGRESS } from '../../shared/sys/libc.ts';
import { allocate } from '../../shared/sys/memory.ts';
import { createFdMessenger } from '../../shared/sys/pass-fds.ts';
import { closeFd, duplicateFd, resetConnection, write } from '../../shared/sys/sockets.ts';
import { seqpacketPair } from '../../shared/sys/unix-sockets.ts';
import { createWake, wake } from '../../shared/sys/wake.ts';
import { trace } from '../../shared/trace.ts';
import {
  LANE_MESSAGE_MAX,
  laneMessage,
  readLane,
  TAKEN,
  writeEnded,
  writeRange,
} from '../../shared/wire/lane.ts';
import { createShared } from '../choose/index.ts';
import { createScoreboardMemory, Scoreboard, UP, WorkerCounters } from '../scoreboard.ts';
import type { FromWorker, ToWorker, WorkerSettings } from '../worker-messages.ts';
import type { Remote } from './lanes.ts';
import { WorkerLoop } from './loop.ts';

/** How many come at once, in turns. */
const BATCHES = [1, 4, 1, 16];
const TURNS = 24;
/** All workers do it at once, and a head serves meanwhile. */
const AT_MOST_MS = 40;
const REQUEST = 'GET /rehearsal HTTP/1.1\r\nHost: localhost\r\nUser-Agent: rehearsal\r\nAccept: */*\r\n\r\n';
const ANY_PORT = { address: Uint8Array.of(127, 0, 0, 1), port: 0 };
const SLOT = 0;
/** More than a delivery that answers at once ever needs. */
const CREDITS = 1000;
/** The tables are for so many files, and are dropped again. */
const FD_CAPACITY = 4096;

/** How many have come. Whatever hinders them is no reason not to start: what is missing is said where it is needed. */
export function rehearseVisits(settings: WorkerSettings, remote?: Remote): number {
  // A trace has what happens to connections, and these are none.
  if (trace) return 0;
  let stage: Stage | undefined;
  try {
    stage = new Stage(settings, remote);
    stage.play();
  } catch {
    // There is no loopback here, say.
  }
  stage?.close();
  return stage?.accepted ?? 0;
}

class Stage {
  readonly #settings: WorkerSettings;
  readonly #remote: Remote | undefined;
  readonly #counters: WorkerCounters;
  readonly #until = performance.now() + AT_MOST_MS;
  /** What the delivery is given, and what it says. */
  readonly #messenger = createFdMessenger(LANE_MESSAGE_MAX);
  readonly #words = allocate(LANE_MESSAGE_MAX);
  readonly #request = allocate(REQUEST.length);
  readonly #wake = createWake();
  readonly #listener = tcpSocketFor(ANY_PORT);
  /** The delivery's copy of its end. */
  #lane = -1;
  #server: Endpoint | undefined;
  #clients: number[] = [];
  /** Messages that come before all else. */
  #script: ToWorker[] = [];
  #turn = 0;
  /** What the delivery has taken, and has not ended. */
  #held = 0;
  /** The listener is the loop's. */
  #runs = false;

  constructor({ scoreboard, tuning, mayMove, ioUring }: WorkerSettings, remote: Remote | undefined) {
    this.#remote = remote;
    const memory = createScoreboardMemory(1);
    this.#counters = new WorkerCounters(memory, 0);
    this.#request.bytes.write(REQUEST);
    const own = new Scoreboard(memory);
    own.setMode(modes[new Scoreboard(scoreboard).mode]!);
    own.describe(SLOT, { credits: CREDITS, weight: 1, active: 0 });
    own.setState(SLOT, UP);
    this.#settings = {
      ...{
        index: 0,
        scoreboard: memory,
        shared: createShared(),
        listeners: [this.#listener],
        wake: this.#wake,
      },
      ...{ tuning, headBytesMax: tuning.headBytes, fdCapacity: FD_CAPACITY, mayMove, ioUring },
      rehearsesVisits: false,
    };
  }

  get accepted(): number {
    return this.#counters.get('accepted');
  }

  /** Throws whatever hinders it. */
  play(): void {
    // What comes has higher numbers, and has to have a place in the tables.
    if (this.#listener < 0 || this.#listener > FD_CAPACITY / 2) return;
    if (bindTo(this.#listener, ANY_PORT) < 0) return;
    this.#server = localEndpoint(this.#listener) as Endpoint;
    const mainThread = { receive: () => this.#next(), tell: (message: FromWorker) => this.#hear(message) };
    const loop = new WorkerLoop(this.#settings, mainThread, this.#remote);
    this.#runs = true;
    wake(this.#wake);
    loop.run();
  }

  /** Asked by the loop, until there is none, whenever it is woken: which it is for every turn. */
  #next(): ToWorker | undefined {
    if (this.#lane < 0) this.#begin();
    const message = this.#script.shift();
    if (message) return message;
    if (this.#turn < TURNS && performance.now() < this.#until) this.#playTurn();
    else this.#end();
    wake(this.#wake);
    return undefined;
  }

  #begin(): void {
    const [head, delivery] = seqpacketPair();
    this.#lane = duplicateFd(delivery);
    const lane = { transport: 'fd', ends: { head, delivery } } as const;
    const about = {
      slot: SLOT,
      name: 'rehearsal',
      direct: '127.0.0.1:1',
      directTls: undefined,
      serves: undefined,
    };
    this.#script = [{ type: 'join', ...about, lane }, { type: 'accept' }];
  }

  /** What it still has is told as to a successor, which there is none of, and closed. */
  #end(): void {
    const isFrozen = this.#turn > TURNS;
    this.#turn = TURNS + 1;
    this.#script = [isFrozen ? { type: 'release', withinMs: 0 } : { type: 'freeze', round: 1 }];
  }

  #hear(message: FromWorker): void {
    if (message.type === 'broken') this.#turn = TURNS;
  }

  #playTurn(): void {
    this.#takeAll();
    for (const client of this.#clients.splice(0)) leave(client);
    for (let n = BATCHES[this.#turn++ % BATCHES.length]!; n > 0; n--) this.#come();
  }

  /** The delivery takes what it was given, and ends what it has. */
  #takeAll(): void {
    const { fds, bytes } = this.#messenger;
    const ended = this.#held;
    for (let n = this.#messenger.receive(this.#lane); n > 0; n = this.#messenger.receive(this.#lane)) {
      fds.subarray(0, this.#messenger.received).forEach(closeFd);
      if (!readLane(bytes, n)) continue;
      this.#held += laneMessage.count;
      this.#say(writeRange(this.#words.bytes, TAKEN, laneMessage.first, laneMessage.count));
    }
    if (ended > 0) this.#say(writeEnded(this.#words.bytes, ended));
    this.#held -= ended;
  }

  #say(length: number): void {
    write(this.#lane, this.#words, 0, length);
  }

  /** One more client, and its request. */
  #come(): void {
    const client = tcpSocketFor(ANY_PORT);
    if (client < 0) return;
    this.#clients.push(client);
    const connected = connectTo(client, this.#server!);
    if (connected >= 0 || connected === EINPROGRESS) write(client, this.#request, 0, REQUEST.length);
  }

  close(): void {
    this.#clients.forEach(leave);
    if (this.#lane >= 0) closeFd(this.#lane);
    if (!this.#runs && this.#listener >= 0) closeFd(this.#listener);
    closeFd(this.#wake);
    this.#words.free();
    this.#request.free();
  }
}

/** Nothing of it waits for anything in the kernel (TIME_WAIT). */
function leave(client: number): void {
  resetConnection(client);
  closeFd(client);
}
