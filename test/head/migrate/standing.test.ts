/** Until when the kernel is told to hold what is unknown, and when a head is ready. */
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { Standing, type StandingParts } from '../../../head/migrate/standing.ts';
import type { Unknown } from '../../../head/steer/types.ts';

const here = '127.0.0.1';
const elsewhere = '192.0.2.1';

interface Delivery {
  hasTold: boolean;
  heardAt: number;
}

function stand(t: ExecutionContext, host: string, options: Partial<StandingParts> = {}) {
  let told: Unknown | undefined;
  const deliveries: Delivery[] = [];
  const hosts = { unheard: 0 };
  const standing = new Standing({
    steering: {
      holdUnknown(packets) {
        told = packets;
      },
    },
    server: { host, port: 80 },
    holdMs: 3000,
    expected: 1,
    readyWithinMs: 60_000,
    pingEveryMs: () => 500,
    deliveries: () => deliveries,
    unheardHosts: () => hosts.unheard,
    log: pino({ level: 'silent' }),
    ...options,
  });
  t.teardown(() => standing.close());
  const now = () => performance.now();
  return {
    standing,
    deliveries,
    hosts,
    join: () => deliveries.push({ hasTold: true, heardAt: now() }),
    /** Milliseconds that are left, after another look; undefined when nothing is held now. */
    left() {
      told = undefined;
      standing.look();
      const { fromNanos = 0n, untilNanos } = (told as Unknown | undefined) ?? { untilNanos: 0n };
      const at = process.hrtime.bigint();
      return untilNanos < at || fromNanos > at ? undefined : Number(untilNanos - at) / 1e6;
    },
    /** The word that was given last: milliseconds until it holds, and until it holds no more. */
    next() {
      const { fromNanos = 0n, untilNanos } = told!;
      const at = process.hrtime.bigint();
      return [fromNanos, untilNanos].map((nanos) => Number(nanos - at) / 1e6);
    },
  };
}

test('a standby holds what is unknown for as long as it lives, and a while after', (t) => {
  const { standing, left, join } = stand(t, elsewhere);
  join();
  t.false(standing.isActive);
  t.true(left()! > 9000);
});

test('a head that has the address holds for so long after its start', (t) => {
  const { standing, left, join } = stand(t, here);
  join();
  t.true(standing.isActive);
  const first = left()!;
  t.true(first > 2000 && first <= 3000, String(first));
});

test('a little at a time while deliveries are awaited, and no longer than that when all have told', (t) => {
  const { left, join, standing } = stand(t, here, { holdMs: 1 });
  const until = performance.now() + 2;
  while (performance.now() < until);
  t.true(left()! > 500);
  t.is(standing.whyNotReady(), '0 of 1 deliveries of other hosts have told what they have');
  join();
  t.is(left(), undefined);
  t.is(standing.whyNotReady(), undefined);
});

test('a delivery that is not heard any more may have something to tell', (t) => {
  const { left, join, deliveries } = stand(t, here, { holdMs: 1 });
  join();
  const until = performance.now() + 2;
  while (performance.now() < until);
  t.is(left(), undefined);
  deliveries[0]!.heardAt = performance.now() - 1100;
  t.true(left()! > 500);
});

test('what may have been said elsewhere meanwhile is awaited again', (t) => {
  const { left, join, standing } = stand(t, here, { holdMs: 200 });
  join();
  const until = performance.now() + 201;
  while (performance.now() < until);
  t.is(left(), undefined);
  standing.unsure();
  t.true(left()! > 100);
});

test('what a head that knows all would not hear, dead or frozen, is to be held from a moment later on, and never while it lives', (t) => {
  const { left, next, join } = stand(t, here, { holdMs: 1 });
  join();
  const until = performance.now() + 2;
  while (performance.now() < until);
  for (let look = 0; look < 3; look++) {
    t.is(left(), undefined);
    const [from, to] = next() as [number, number];
    t.true(from > 900 && from <= 1000, String(from));
    t.true(to - from > 9000, `${from} to ${to}`);
    const pause = performance.now() + 50;
    while (performance.now() < pause);
  }
});

test('a head without another one holds nothing, and has the address', (t) => {
  const { left, standing } = stand(t, elsewhere, { holdMs: 0 });
  t.true(standing.isActive);
  t.is(left(), undefined);
  standing.unsure();
  standing.onAddresses();
  t.is(left(), undefined);
});

test('it is ready when as many as expected have told, and hosts that have connections have spoken', (t) => {
  const { standing, join, hosts } = stand(t, here, { expected: 2 });
  hosts.unheard = 1;
  join();
  t.is(standing.whyNotReady(), '1 of 2 deliveries of other hosts have told what they have');
  join();
  t.is(standing.whyNotReady(), 'no delivery of a host that has connections has come yet');
  hosts.unheard = 0;
  t.is(standing.whyNotReady(), undefined);
});

test('it stays ready when a delivery goes: both heads lose it, and the address must not move for that', (t) => {
  const { standing, join, deliveries } = stand(t, here);
  join();
  t.is(standing.whyNotReady(), undefined);
  deliveries.length = 0;
  t.is(standing.whyNotReady(), undefined);
});

test('it is ready after its time, whoever has not come', (t) => {
  const { standing } = stand(t, here, { expected: 5, readyWithinMs: 0 });
  t.is(standing.whyNotReady(), undefined);
});
