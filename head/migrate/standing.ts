/**
 * What a head does that shares its address with another one, of which only one has it at a time (keepalived moves it).
 *
 * A packet of a connection that this head does not know may be of one that the other head has moved, and whose delivery is
 * about to tell of it: to let the kernel reset it would end what is nobody's to end. So it is dropped, and TCP sends it again:
 *
 * - as long as the address is elsewhere, and for `holdMs` after it has come: what comes first may come before this process has
 *   heard that it has the address, so that the hold must be there before;
 * - until the deliveries that are expected have told what they have;
 * - while a delivery is not heard: what it says of other heads' connections is late as well. `holdMs` after it has gone;
 * - for `holdMs` after the head's card has changed: a cable that was out has kept words back.
 *
 * The kernel is told until when, a little at a time: what this process does not renew, because it has died or stands still,
 * ends by itself, and then clients learn that nobody has their connections.
 *
 * And from when: one that knows all and then dies or stands still may lose the address, and have it back before it goes on (the other
 * one's host is lost, say), with a table that has not heard of anything since. So the hold of a standby begins a moment later, and that is
 * put off for as long as it lives.
 */
import { networkInterfaces } from 'node:os';
import type { Logger } from '../../shared/log.ts';
import { formatHostPort, type HostPort } from '../../shared/units.ts';
import type { Steering } from '../steer/index.ts';

const LOOK_EVERY_MS = 200;
/** A standby's hold outlasts a process that stands still for so long, milliseconds. */
const STANDBY_LEASE_MS = 10_000;
/** While something is awaited. */
const LEASE_MS = 1000;
/** A delivery answers a ping within a moment; one that has not for so many of them is not heard. */
const PINGS_MISSED = 2;

export interface StandingParts {
  readonly steering: Pick<Steering, 'holdUnknown'>;
  /** The address that it shares. */
  readonly server: HostPort;
  /** 0: there is no other head. */
  readonly holdMs: number;
  /** Deliveries that have to have told what they have. */
  readonly expected: number;
  readonly readyWithinMs: number;
  /** Between two pings. */
  readonly pingEveryMs: () => number;
  readonly deliveries: () => Iterable<{ readonly hasTold: boolean; readonly heardAt: number }>;
  /** Hosts that flows of before are steered to, and of whose deliveries none has come yet. */
  readonly unheardHosts: () => number;
  readonly log: Logger;
}

const hasAddress = (host: string): boolean =>
  Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === host));

export class Standing {
  readonly #parts: StandingParts;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #isActive = false;
  /** Of a reason that has passed. */
  #holdUntil = Number.NEGATIVE_INFINITY;
  #isReady = false;

  constructor(parts: StandingParts) {
    this.#parts = parts;
    if (parts.holdMs === 0) return;
    this.#isActive = hasAddress(parts.server.host);
    this.#extend();
    this.look();
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  /** The address is here; a head without another one always has it. */
  get isActive(): boolean {
    return this.#parts.holdMs === 0 || this.#isActive;
  }

  /** An address of this host has come or gone. */
  onAddresses(): void {
    const { holdMs, server, log } = this.#parts;
    if (holdMs === 0) return;
    const isActive = hasAddress(server.host);
    if (isActive === this.#isActive) return;
    this.#isActive = isActive;
    if (isActive) this.#extend();
    const address = formatHostPort(server);
    log.info({ address }, isActive ? 'the address has come here' : 'the address has gone from here');
    this.look();
  }

  /** The head's card has changed, or a delivery has gone: what was said meanwhile elsewhere is not known here. */
  unsure(): void {
    if (this.#parts.holdMs === 0) return;
    this.#extend();
    this.look();
  }

  #extend(): void {
    this.#holdUntil = performance.now() + this.#parts.holdMs;
  }

  /** Tells the kernel until when it is to hold what is unknown. */
  look(): void {
    const { holdMs, steering, server } = this.#parts;
    if (holdMs === 0) return;
    const now = performance.now();
    let until = this.#holdUntil;
    if (!this.#isActive) until = Math.max(until, now + STANDBY_LEASE_MS);
    else if (this.whyNotReady() !== undefined || this.#isAnyUnheard(now))
      until = Math.max(until, now + LEASE_MS);
    const at = (ms: number) => process.hrtime.bigint() + BigInt(Math.ceil((ms - now) * 1e6));
    if (until > now) steering.holdUnknown({ server, untilNanos: at(until) });
    else
      steering.holdUnknown({
        server,
        fromNanos: at(now + LEASE_MS),
        untilNanos: at(now + LEASE_MS + STANDBY_LEASE_MS),
      });
  }

  #isAnyUnheard(now: number): boolean {
    const { pingEveryMs, deliveries } = this.#parts;
    const since = now - PINGS_MISSED * pingEveryMs();
    for (const { hasTold, heardAt } of deliveries()) if (hasTold && heardAt < since) return true;
    return false;
  }

  /** In words for a person; undefined once all that is expected has been told, or the time for it has passed. */
  whyNotReady(): string | undefined {
    if (this.#isReady) return undefined;
    const { expected, readyWithinMs, deliveries, unheardHosts, log } = this.#parts;
    const told = [...deliveries()].filter(({ hasTold }) => hasTold).length;
    const hosts = unheardHosts();
    const isLate = performance.now() - this.#startedAt > readyWithinMs;
    if ((told < expected || hosts > 0) && !isLate) {
      if (told < expected) return `${told} of ${expected} deliveries of other hosts have told what they have`;
      return `no delivery of ${hosts === 1 ? 'a host' : `${hosts} hosts`} that has connections has come yet`;
    }
    this.#isReady = true;
    const outcome = { deliveries: told, expected, unheardHosts: hosts };
    if (isLate) log.warn(outcome, 'it is ready without those that have not come in time');
    else log.info(outcome, 'what deliveries of other hosts have is known');
    return undefined;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
