/**
 * The flows that heads must send here: of connections that this process adopted, from the adoption until the kernel is
 * done with them, which may be a while after the socket was closed (unread answers, a FIN that was not acknowledged).
 * They outlive the link to the head, and even the head: whoever is the head next is told of all that is left.
 */
import { openSocketDiagnosis, type SocketDiagnosis } from '../../shared/sys/sock-diag.ts';
import { type Ends, endOutdated } from '../../shared/tcp-repair/index.ts';
import { trace } from '../../shared/trace.ts';
import { FLOW_KEY_SIZE, flowKey } from '../../shared/wire/remote/flow-key.ts';
import { IDS_MAX } from '../../shared/wire/remote/messages.ts';

/** Ended connections are reported together, at the latest after this long (milliseconds). */
const REPORT_MS = 20;
/** The kernel is asked again after this long, doubled each time up to the most (milliseconds). */
const FIRST_LOOK_MS = 5;
const LONGEST_LOOK_MS = 1000;
/** Where the kernel cannot be asked: as long as TIME_WAIT (include/net/tcp.h, TCP_TIMEWAIT_LEN). */
const BLIND_MS = 60_000;

interface Open {
  readonly ends: Ends;
  readonly fd: number;
  /** A new connection with the same ends has shown that it is over. */
  isOutdated: boolean;
}

interface Ending {
  readonly id: number;
  readonly ends: Ends;
  readonly since: number;
  wait: number;
  lookAt: number;
}

/** `closed` connections more have been closed, and the flows `gone` need not be steered any more. */
type Report = (closed: number, gone: number[]) => void;

export class AdoptedFlows {
  readonly #open = new Map<number, Open>();
  /** By the name of their ends: a new connection with the same ends shows that the old one is over. */
  readonly #ending = new Map<string, Ending>();
  readonly #diagnosis: SocketDiagnosis | undefined = tryToDiagnose();
  #report: Report | undefined;
  #closed = 0;
  #gone: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #timerAt = 0;
  #immediate: NodeJS.Immediate | undefined;

  /** A connection lives here from now on. */
  add(id: number, ends: Ends, fd: number): void {
    const before = this.#ending.get(nameOf(ends));
    if (before) this.#over(before);
    this.#open.set(id, { ends, fd, isOutdated: false });
  }

  /** Closed, and the head has not been told. */
  get unreported(): number {
    return this.#closed;
  }

  /** Its socket has been closed; `soon`: somebody may be waiting for its credit. */
  closed(id: number, soon: boolean): void {
    const { ends, isOutdated } = this.#open.get(id)!;
    this.#open.delete(id);
    trace?.say(`m${id}`, 'closed');
    this.#closed++;
    if (isOutdated) {
      this.#gone.push(id);
      if (soon) return this.#flushSoon();
      return this.#wakeAt(performance.now() + FIRST_LOOK_MS);
    }
    const since = performance.now();
    const ending: Ending = { id, ends, since, wait: FIRST_LOOK_MS, lookAt: since + FIRST_LOOK_MS };
    this.#ending.set(nameOf(ends), ending);
    this.#wakeAt(ending.lookAt);
    if (soon) this.#flushSoon();
  }

  /**
   * A connection with these ends is offered, so that the one that this host has is over, though nobody has told it: it makes
   * room. False when it stays in the way.
   */
  makeWay(ends: Ends): boolean {
    const name = nameOf(ends);
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

  /** How things stand, for a head that is to be told; what changes from now on is kept for `attach`. */
  describe(): { active: number; holdings: { ids: number[]; keys: Buffer }[] } {
    this.#closed = 0;
    this.#gone = [];
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
    return { active: this.#open.size, holdings };
  }

  /** The head has welcomed us: it hears what has changed, and what will. */
  attach(report: Report): void {
    this.#report = report;
    this.flush();
  }

  /** The link has ended. */
  detach(): void {
    this.#report = undefined;
  }

  /** Says what is due at once. */
  flush(): void {
    if (!this.#report) return;
    while (this.#closed > 0 || this.#gone.length > 0) {
      this.#report(this.#closed, this.#gone.splice(0, IDS_MAX));
      this.#closed = 0;
    }
  }

  #flushSoon(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.flush();
    });
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
    this.flush();
    if (next < Number.POSITIVE_INFINITY) this.#wakeAt(Math.max(next, now + REPORT_MS));
  }

  #isOver({ ends, since }: Ending, now: number): boolean {
    if (!this.#diagnosis) return now - since > BLIND_MS;
    return this.#diagnosis.isOver(ends.server, ends.client);
  }

  #over(ending: Ending): void {
    this.#ending.delete(nameOf(ending.ends));
    this.#gone.push(ending.id);
  }
}

const nameOf = (ends: Ends): string => flowKey(ends).toString('latin1');

function tryToDiagnose(): SocketDiagnosis | undefined {
  try {
    return openSocketDiagnosis();
  } catch {
    return undefined;
  }
}
