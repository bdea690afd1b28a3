/**
 * A worker's lanes, one for each delivery that it knows: told by the main thread when they come and go, read when they
 * have something to say, and watched for deliveries that leave connections untaken.
 */
import { type Epoll, READABLE } from '../../shared/sys/epoll.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { ENDED } from '../../shared/wire/lane.ts';
import { type Scoreboard, SLOTS, type WorkerCounters } from '../scoreboard.ts';
import type { FromWorker, LaneSpec, OwnLane, Settlement, ToWorker, Tuning } from '../worker-messages.ts';
import type { Clock } from './clock.ts';
import { type Connections, makeTag, TAG_LANE } from './connections.ts';
import type { WorkerDesk } from './desk.ts';
import { FarReturns } from './far-returns.ts';
import { FdLane } from './fd-lane.ts';
import type { Lane } from './lane.ts';
import type { RequestReader } from './reader.ts';
import type { Router } from './router.ts';
import { steps } from './steps.ts';
import { WaysBack } from './ways-back.ts';

/** What it needs for deliveries of other hosts. */
export type Remote = typeof import('./remote.ts');

export interface LanesParts {
  readonly epoll: Epoll;
  readonly router: Router;
  readonly desk: WorkerDesk;
  readonly reader: RequestReader;
  readonly counters: WorkerCounters;
  readonly connections: Connections;
  readonly scoreboard: Scoreboard;
  readonly clock: Clock;
  readonly tuning: Pick<Tuning, 'stallTimeoutMs'>;
  readonly headBytesMax: number;
  /** Undefined: it is never told of a delivery of another host. */
  readonly remote: Remote | undefined;
  /** What deliveries give back is the head's again: it is not about to stop. */
  readonly mayRegain: () => boolean;
  readonly tell: (message: FromWorker) => void;
}

export class Lanes {
  readonly #parts: LanesParts;
  readonly #router: Router;
  readonly #desk: WorkerDesk;
  readonly #waysBack: WaysBack;
  readonly farReturns: FarReturns;
  /** Slots that the main thread wants to hear of when nothing is on its way to them. */
  readonly #quiescing = new Set<number>();
  /** Slots that were reported as broken, and must not be again. */
  readonly #reported = new Set<number>();
  /** By slot: when it last took or returned something, and when it may next be reported as stalled. Milliseconds. */
  readonly #progressAt = new Float64Array(SLOTS);
  readonly #reportAt = new Float64Array(SLOTS);
  #noStallBefore = 0;
  #whenReturned: ((fd: number) => void) | undefined;

  constructor(parts: LanesParts) {
    this.#parts = parts;
    this.#router = parts.router;
    this.#desk = parts.desk;
    this.#waysBack = new WaysBack({ ...parts, headBytes: parts.headBytesMax });
    this.farReturns = new FarReturns({ ...parts, waysBack: this.#waysBack });
  }

  join(member: ToWorker & { type: 'join' }): void {
    const { slot, lane: spec } = member;
    this.#reported.delete(slot);
    this.#reportAt[slot] = 0;
    this.#router.join(member, this.#makeLane(slot, spec));
    this.#parts.tell({ type: 'joined', slot });
  }

  #makeLane(slot: number, spec: LaneSpec): Lane {
    if (spec.transport === 'migrate') {
      this.#waysBack.joinFar(slot, spec.takesState);
      const { epoll, tell } = this.#parts;
      return new this.#parts.remote!.RemoteLane(slot, spec.registration, {
        epoll,
        tell,
        settled: (fd, how) => this.#settle(slot, fd, how, true),
        broken: (lane, problem) => this.#report(lane, { type: 'broken', slot, problem }),
      });
    }
    if (spec.back) this.#waysBack.join(slot, spec.back);
    const lane = new FdLane(slot, spec.ends.head, spec.ends.delivery, {
      onTaken: (at, fd) => {
        this.#waysBack.settled(fd);
        this.#desk.taken(at, fd);
      },
      onReturned: (at, fd) => {
        this.#router.returned(at);
        this.#handAgain(at, fd);
      },
      onEnded: (at, count) => this.#desk.ended(at, count),
      onLate: () => this.#parts.counters.add('late_messages'),
    });
    this.#parts.epoll.add(lane.watchedFd, READABLE, makeTag(TAG_LANE, slot));
    return lane;
  }

  /** What became of a connection on a remote lane. */
  settled({ slot, fd, how }: ToWorker & { type: 'settled' }): void {
    this.#settle(slot, fd, how, false);
  }

  /** `isOwn`: this thread has moved it, and has closed one that was taken. */
  #settle(slot: number, fd: number, how: Settlement, isOwn: boolean): void {
    const lane = this.#router.lanes[slot];
    if (!lane?.settle(fd)) return this.#parts.counters.add('late_messages');
    if (how === 'taken') steps?.moved(fd);
    else steps?.kept(fd, slot);
    if (how !== 'returned') this.#waysBack.settled(fd);
    if (how === 'taken') this.#desk.taken(slot, fd, isOwn);
    else if (how === 'gone') {
      this.#desk.takeBack(slot);
      this.#desk.abandon(fd, 'client_gone');
    } else this.#handAgain(slot, fd);
  }

  /** A delivery of another host has opened a lane for this worker. */
  own(slot: number, lane: OwnLane): void {
    const remote = this.#router.lanes[slot];
    if (remote?.own) remote.own(lane);
    else closeFd(lane.fd);
  }

  moveTo(message: ToWorker & { type: 'hop' }): void {
    this.#router.lanes[message.slot]?.moveTo?.(message);
  }

  leave(slot: number, isElsewhere: boolean): void {
    const lane = isElsewhere ? this.#router.leaveLane(slot) : this.#router.leave(slot);
    let moved = 0;
    this.#quiescing.delete(slot);
    this.#waysBack.refuse(slot);
    lane?.close((fd) => {
      moved++;
      this.#handAgain(slot, fd);
    });
    this.#waysBack.leave(slot);
    this.farReturns.leave(slot);
    this.#parts.counters.setFor(slot, 'untaken', 0);
    this.#parts.tell({ type: 'left', slot, moved });
  }

  /** Answers `quiet` once nothing is on its way to the delivery. */
  quiesce(slot: number): void {
    this.#quiescing.add(slot);
  }

  /** This thread was stopped until `now`: deliveries get time to be heard. */
  stoodStill(now: number): void {
    this.#noStallBefore = now + this.#parts.tuning.stallTimeoutMs;
  }

  /** A lane has something to say, or from SLOTS on the way back that belongs to it. */
  read(at: number): void {
    if (at >= SLOTS) return this.#readBack(at - SLOTS);
    const slot = at;
    const lane = this.#router.lanes[slot];
    if (!lane || this.#reported.has(slot)) return;
    try {
      // Behind the word of what has ended there may be a *taken*, and until that is read the delivery seems busy.
      let kind = lane.read();
      if (kind === ENDED) kind = lane.read();
      if (kind !== 0 && kind !== ENDED) this.#progressAt[slot] = this.#parts.clock.now;
    } catch (error) {
      this.#report(lane, { type: 'broken', slot, problem: (error as Error).message });
    }
  }

  #readBack(slot: number): void {
    const lane = this.#router.lanes[slot];
    if (!lane || this.#reported.has(slot)) return;
    try {
      // That a connection is taken is heard before it comes back.
      this.#waysBack.read(slot, () => {
        while (lane.read() !== 0) this.#progressAt[slot] = this.#parts.clock.now;
      });
    } catch (error) {
      this.#report(lane, { type: 'broken', slot, problem: (error as Error).message });
    }
  }

  /** The main thread will answer with `leave`; until then nothing of the lane is to be looked at. */
  #report(lane: Lane, message: FromWorker): void {
    if (this.#reported.has(lane.slot)) return;
    this.#reported.add(lane.slot);
    if (lane.watchedFd >= 0) this.#parts.epoll.remove(lane.watchedFd);
    this.#waysBack.ignore(lane.slot);
    this.#parts.tell(message);
  }

  /** Sends what was pushed; with `gather` only where that is of use (at `now`, milliseconds). */
  flush(gather: boolean, now: number): void {
    for (const lane of this.#router.open) {
      if (!lane.isBlocked) continue;
      if (gather) lane.gather(now);
      else lane.flush();
    }
  }

  /** There are deliveries, and each has connections that it has not taken. */
  get allBusy(): boolean {
    const { open } = this.#router;
    return open.length > 0 && open.every(({ isBusy }) => isBusy);
  }

  /** From here on `keep` gets what comes back, and not its mode. */
  keepReturned(keep: (fd: number) => void): void {
    this.#whenReturned = keep;
  }

  /** A connection that no application has seen is its mode's again. */
  #handAgain(slot: number, fd: number): void {
    this.#desk.takeBack(slot);
    if (this.#whenReturned) return this.#whenReturned(fd);
    if (this.#waysBack.has(fd)) this.#waysBack.again(fd, slot);
    else this.#parts.reader.again(fd, slot);
  }

  /** Reports what is due; the milliseconds until more may be. */
  tick(now: number): number {
    let next = this.#waysBack.tick();
    for (const lane of this.#router.open) {
      if (lane.isBlocked) next = 1;
      if (lane.untaken > 0 && lane.isWatched && !this.#reported.has(lane.slot)) {
        next = Math.min(next, this.#watchStall(lane, now));
      }
      if (lane.tick && !this.#reported.has(lane.slot)) next = Math.min(next, lane.tick(now));
      if (lane.untaken === 0 && lane.isConfirmed !== false && this.#quiescing.delete(lane.slot))
        this.#parts.tell({ type: 'quiet', slot: lane.slot });
    }
    return next;
  }

  /**
   * Says when a delivery has taken nothing for the stall timeout though something waits, and again from time to time: the
   * main thread, which sees more of it, decides. The milliseconds until then.
   */
  #watchStall(lane: Lane, now: number): number {
    const { slot } = lane;
    const { stallTimeoutMs } = this.#parts.tuning;
    const idle = Math.min(this.#router.waited(lane), now - this.#progressAt[slot]!);
    const left = Math.max(stallTimeoutMs - idle, this.#noStallBefore - now, this.#reportAt[slot]! - now);
    if (left > 0) return left;
    this.#reportAt[slot] = now + stallTimeoutMs / 4;
    this.#parts.tell({ type: 'stalled', slot });
    return stallTimeoutMs / 4;
  }

  /** Deliveries of other hosts have said that they have what was moved to them. */
  get areConfirmed(): boolean {
    return this.#router.open.every(({ isConfirmed }) => isConfirmed !== false);
  }

  /** Tells how many are untaken, as it is after a wake-up. */
  count(): void {
    for (const lane of this.#router.open) this.#parts.counters.setFor(lane.slot, 'untaken', lane.untaken);
  }

  /** Closes all lanes. */
  close(): void {
    for (const lane of this.#router.open) {
      this.#waysBack.refuse(lane.slot);
      lane.stop((fd) => this.#desk.abandon(fd, 'stopped'));
      this.#waysBack.leave(lane.slot);
    }
  }
}
