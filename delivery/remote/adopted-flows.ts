/**
 * The flows that heads must send here: of connections that this process adopted, from the adoption until the kernel is
 * done with them, which may be a while after the socket was closed (unread answers, a FIN that was not acknowledged).
 * They outlive the link to the head, and even the head: every head is told of all of them, whichever had moved them, so
 * that each can be the one that clients' packets come to next.
 */
import { disconnect } from '../../shared/sys/endpoints.ts';
import { openSocketDiagnosis, type SocketDiagnosis } from '../../shared/sys/sock-diag.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { type Ends, endOutdated } from '../../shared/tcp-repair/index.ts';
import { trace } from '../../shared/trace.ts';
import { FLOW_KEY_SIZE, flowKey } from '../../shared/wire/remote/flow-key.ts';
import { IDS_MAX } from '../../shared/wire/remote/messages.ts';
import { HeadAccount } from './head-account.ts';

/** Ended connections are reported together, no more often than this (milliseconds), unless somebody waits for their credits. */
const REPORT_EVERY_MS = 100;
/** The kernel is asked about several together. */
const LOOKS_APART_MS = 20;
/** The kernel is asked again after this long, doubled each time up to the most (milliseconds). */
const FIRST_LOOK_MS = 5;
const LONGEST_LOOK_MS = 1000;
/** Where the kernel cannot be asked: as long as TIME_WAIT (include/net/tcp.h, TCP_TIMEWAIT_LEN). */
const BLIND_MS = 60_000;
/** A client's last packets are on their way for less than this long, milliseconds, on any path that can be used. */
const LATE_PACKETS_MS = 1000;

interface Open {
  readonly ends: Ends;
  readonly fd: number;
  /** A new connection with the same ends has shown that it is over; or another host has it. */
  isOutdated: boolean;
}

interface Ending {
  readonly id: number;
  readonly ends: Ends;
  readonly since: number;
  wait: number;
  lookAt: number;
}

export class AdoptedFlows {
  readonly #open = new Map<number, Open>();
  /** By the name of their ends: a new connection with the same ends shows that the old one is over. */
  readonly #ending = new Map<string, Ending>();
  /** Mute and deaf, by the name of their ends: another host has the connection, and late packets may come. */
  readonly #lingering = new Map<string, { readonly fd: number; readonly timer: NodeJS.Timeout }>();
  readonly #diagnosis: SocketDiagnosis | undefined = tryToDiagnose();
  readonly #accounts = new Set<HeadAccount>();
  /** Of all that is here, and of copies that wait for a head's word. */
  readonly #ids = new Set<number>();
  #prepared = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;

  /**
   * A copy of a connection is to stand here: false where the id is another one's. Each head counts for itself, and two of
   * them may come to the same number. Ended by `release` or `add`.
   */
  reserve(id: number): boolean {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    this.#prepared++;
    return true;
  }

  /** Nothing of it is here. */
  release(id: number): void {
    this.#ids.delete(id);
    this.#prepared--;
  }

  /** Connections that are here, and copies that may come to be. */
  get count(): number {
    return this.#open.size + this.#prepared;
  }

  /** A head is told of them, or will be. */
  get isTold(): boolean {
    return this.#accounts.size > 0;
  }

  /** A connection that was prepared lives here from now on. All heads are told but the one that moved it. */
  add(id: number, ends: Ends, fd: number, mover: HeadAccount): void {
    const before = this.#ending.get(nameOf(ends));
    if (before) this.#over(before);
    this.#open.set(id, { ends, fd, isOutdated: false });
    this.#prepared--;
    for (const account of this.#accounts) if (account !== mover) account.opened(id, ends);
  }

  /** Its socket has been closed. */
  closed(id: number): void {
    const { ends, isOutdated } = this.#open.get(id)!;
    this.#open.delete(id);
    trace?.say(`m${id}`, 'closed');
    for (const account of this.#accounts) account.closed();
    if (isOutdated) {
      this.#gone(id);
      return this.#wakeAt(performance.now() + FIRST_LOOK_MS);
    }
    const since = performance.now();
    const ending: Ending = { id, ends, since, wait: FIRST_LOOK_MS, lookAt: since + FIRST_LOOK_MS };
    this.#ending.set(nameOf(ends), ending);
    this.#wakeAt(ending.lookAt);
  }

  #gone(id: number): void {
    this.#ids.delete(id);
    for (const account of this.#accounts) account.gone(id);
  }

  /**
   * A connection with these ends is offered, so that the one that this host has is over, though nobody has told it: it makes
   * room. False when it stays in the way.
   */
  makeWay(ends: Ends): boolean {
    const name = nameOf(ends);
    // The same connection, which comes here again.
    if (this.#endLingering(name)) return true;
    for (const [id, open] of this.#open) {
      if (nameOf(open.ends) !== name || !endOutdated(open.fd, open.ends)) continue;
      open.isOutdated = true;
      trace?.say(`m${id}`, 'outdated');
      return true;
    }
    try {
      return this.#diagnosis?.clear(ends.server, ends.client) ?? false;
    } catch {
      return false;
    }
  }

  /** Another host has it: nothing of it is to be steered here. */
  movedOn(id: number): void {
    const open = this.#open.get(id);
    if (open) open.isOutdated = true;
    // Its application had closed it before.
    for (const ending of this.#ending.values()) if (ending.id === id) return this.#over(ending);
  }

  /** Keeps what was left of it, in repair mode, for as long as packets may come. */
  linger(fd: number, ends: Ends): void {
    const name = nameOf(ends);
    this.#endLingering(name);
    const timer = setTimeout(() => this.#endLingering(name), LATE_PACKETS_MS).unref();
    this.#lingering.set(name, { fd, timer });
  }

  #endLingering(name: string): boolean {
    const lingering = this.#lingering.get(name);
    if (!lingering) return false;
    this.#lingering.delete(name);
    clearTimeout(lingering.timer);
    endQuietly(lingering.fd);
    return true;
  }

  /** How things stand, for a head that is to be told; what changes from now on is kept for when it has welcomed us. */
  describe(isShort: (unreported: number) => boolean): {
    active: number;
    holdings: { ids: number[]; keys: Buffer }[];
    account: HeadAccount;
  } {
    const account = new HeadAccount(isShort, (one) => this.#accounts.delete(one));
    this.#accounts.add(account);
    const all = [
      ...[...this.#open].map(([id, { ends }]) => [id, ends] as const),
      ...[...this.#ending.values()].map(({ id, ends }) => [id, ends] as const),
    ];
    const holdings = [];
    for (let at = 0; at < all.length; at += IDS_MAX) {
      const some = all.slice(at, at + IDS_MAX);
      holdings.push({
        ids: some.map(([id]) => id),
        keys: Buffer.concat(
          some.map(([, ends]) => flowKey(ends)),
          some.length * FLOW_KEY_SIZE,
        ),
      });
    }
    return { active: this.#open.size, holdings, account };
  }

  /** A head is about to be left, and hears of what is over by now. */
  lookAtAll(): void {
    for (const ending of this.#ending.values()) ending.lookAt = 0;
    this.#look();
  }

  #wakeAt(at: number): void {
    if (this.#timer && this.#timerAt <= at) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => this.#look(), Math.max(1, at - performance.now()));
    // A process that ends lets its kernel finish: nothing here is worth staying for.
    this.#timer.unref();
  }

  #look(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const ending of this.#ending.values()) {
      if (ending.lookAt <= now) {
        if (this.#isOver(ending, now)) {
          this.#over(ending);
          continue;
        }
        ending.wait = Math.min(ending.wait * 2, LONGEST_LOOK_MS);
        ending.lookAt = now + ending.wait;
      }
      next = Math.min(next, ending.lookAt);
    }
    if (now >= this.#reportedAt + REPORT_EVERY_MS) {
      this.#reportedAt = now;
      for (const account of this.#accounts) account.flush();
    } else next = Math.min(next, this.#reportedAt + REPORT_EVERY_MS);
    if (next < Number.POSITIVE_INFINITY) this.#wakeAt(Math.max(next, now + LOOKS_APART_MS));
  }

  #isOver({ ends, since }: Ending, now: number): boolean {
    if (!this.#diagnosis) return now - since > BLIND_MS;
    return this.#diagnosis.isOver(ends.server, ends.client);
  }

  #over(ending: Ending): void {
    this.#ending.delete(nameOf(ending.ends));
    this.#gone(ending.id);
  }
}

const nameOf = (ends: Ends): string => flowKey(ends).toString('latin1');

/** Ends what is in repair mode, whoever has a copy of it; its client hears nothing. */
function endQuietly(fd: number): void {
  disconnect(fd);
  closeFd(fd);
}

function tryToDiagnose(): SocketDiagnosis | undefined {
  try {
    return openSocketDiagnosis();
  } catch {
    return undefined;
  }
}
