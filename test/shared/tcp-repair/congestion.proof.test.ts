/**
 * A connection that has sent goes on at the pace that it had when it has moved: measured at a round trip of 50 ms, and with
 * whatever anybody may say of it.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeSaved, type SavedConnection } from '../../../shared/tcp-repair/index.ts';
import { netTest, segmentForFile } from './support/segment.ts';
import {
  acknowledged,
  congestion,
  IN_ONE_GO,
  isAbout,
  ROUND_TRIP_MS,
  startWeakDelivery,
  warmOn,
} from './support/warm.ts';

const segment = segmentForFile({ farClient: true });
const { warm, move, next, end } = warmOn(segment);
const least = (times: readonly number[]): number => Math.min(...times);
netTest('the next megabyte takes a warm connection as long as if it had not moved', async (t) => {
  await segment.setRoundTrip(ROUND_TRIP_MS);
  const weak = await startWeakDelivery(segment);
  t.teardown(() => weak.stop());
  const took = { unmoved: [] as number[], moved: [] as number[], anew: [] as number[] };
  for (let round = 0; round < 5; round++) {
    const stays = await warm(2);
    took.unmoved.push(stays.times[1]!);
    await segment.head.stopServing(stays.opened.fd);
    await end(segment.head, stays.opened.fd, stays.opened);
    for (const [how, host] of [
      ['moved', segment.delivery],
      ['anew', weak],
    ] as const) {
      const { opened } = await warm(1);
      const moved = await move(opened, host);
      took[how].push(await next(host, moved));
      await end(host, moved.fd, opened);
    }
  }
  const rounded = (times: number[]) => times.map(Math.round).join(' ');
  t.log(`unmoved ${rounded(took.unmoved)}, moved ${rounded(took.moved)}, anew ${rounded(took.anew)} ms`);
  t.is(await segment.delivery.whyNotResumed(), '');
  t.true(least(took.moved) <= 1.1 * least(took.unmoved));
  t.true(least(took.anew) >= 2 * least(took.unmoved));
});

/** For so long nothing is sent, and so many connections each way. */
const SILENCE_MS = 11_000;
const PAIRS = 5;

/** By which congestion control the head's kernel and the delivery's go, those that begin from now on. */
const control = (name: string): void => {
  for (const host of [segment.namespaces.head, segment.namespaces.delivery])
    execFileSync('ip', [
      ...['netns', 'exec', host],
      ...['sysctl', '-qw', `net.ipv4.tcp_congestion_control=${name}`],
    ]);
};
const usual = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim();
/** Network namespaces may have no others. */
const allowed = readFileSync('/proc/sys/net/ipv4/tcp_allowed_congestion_control', 'utf8').split(/\s+/);

/*
 * The kernel has an idle connection begin anew (net.ipv4.tcp_slow_start_after_idle), wherever it is; but for BBR, which keeps its window: a
 * move leaves half of it, as RFC 9959 has it.
 */
for (const [name, most] of [
  ['cubic', 1.1],
  ['reno', 1.1],
  ['bbr', 1.6],
] as const)
  netTest(`after a silence the next megabyte takes as long as where it was as silent: ${name}`, async (t) => {
    if (!allowed.includes(name)) return void t.pass();
    t.timeout(120_000);
    control(name);
    t.teardown(() => control(usual));
    await segment.setRoundTrip(ROUND_TRIP_MS);
    const stay = [];
    const go = [];
    for (let i = 0; i < PAIRS; i++) {
      stay.push((await warm(2)).opened);
      go.push((await warm(2)).opened);
    }
    await delay(SILENCE_MS);
    const took = { unmoved: [] as number[], moved: [] as number[] };
    const { head, delivery } = segment;
    for (const opened of stay) {
      await head.stopServing(opened.fd);
      took.unmoved.push(await next(head, opened));
      await end(head, opened.fd, opened);
    }
    for (const opened of go) {
      const moved = await move(opened);
      took.moved.push(await next(delivery, moved));
      await end(delivery, moved.fd, opened);
    }
    const rounded = (times: number[]) => times.map(Math.round).join(' ');
    t.log(`${name}: unmoved ${rounded(took.unmoved)}, moved ${rounded(took.moved)} ms`);
    t.true(least(took.moved) <= most * least(took.unmoved));
  });

netTest('until a round trip is measured it is paced, and no longer', async (t) => {
  const { delivery } = segment;
  const { opened } = await warm(2);
  const moved = await move(opened);
  const before = await delivery.path(moved.fd);
  const { window, rate } = moved.state.congestion!;
  isAbout(t, before.window, window);
  t.true(before.rateLimit! >= rate / 2 && before.rateLimit! <= 5 * rate);
  await next(delivery, moved);
  const after = await delivery.path(moved.fd);
  t.is(after.rateLimit, undefined);
  t.true(after.window >= window);
  await end(delivery, moved.fd, opened);
});

netTest('one that has not sent for long gets half of its window', async (t) => {
  const { opened } = await warm(1);
  const isOld = (state: SavedConnection) => ({ ...state, congestion: { ...congestion, isFresh: false } });
  const moved = await move(opened, segment.delivery, isOld);
  isAbout(t, (await segment.delivery.path(moved.fd)).window, 350);
  await end(segment.delivery, moved.fd, opened);
});

netTest('where the kernel makes a window smaller for a silence, a move does so as well', async (t) => {
  const { head, delivery } = segment;
  control('reno');
  t.teardown(() => control(usual));
  const { opened } = await warm(2);
  const { window, timeout } = await head.path(opened.fd);
  t.true(window > 200);
  await delay((1.5 * timeout) / 1000);
  const moved = await move(opened);
  // Once or twice, as long as the move takes.
  t.true(moved.state.congestion!.window <= window / 2 && moved.state.congestion!.window >= window / 8 - 1);
  await end(delivery, moved.fd, opened);
  const another = await warm(2);
  await delay(3000);
  const later = await move(another.opened);
  t.is(later.state.congestion, null);
  t.is((await delivery.path(later.fd)).window, 10);
  await end(delivery, later.fd, another.opened);
});

netTest('one that has sent nothing is saved and begins as ever', async (t) => {
  const { delivery } = segment;
  const { opened } = await warm(0);
  const moved = await move(opened);
  t.is(moved.state.congestion, null);
  const { window, rateLimit } = await delivery.path(moved.fd);
  t.deepEqual([window, rateLimit], [10, undefined]);
  await end(delivery, moved.fd, opened);
});

netTest('one that moves twice and sends nothing between has what it had', async (t) => {
  const { head, delivery } = segment;
  const { opened } = await warm(2);
  const moved = await move(opened);
  const first = moved.state.congestion!;
  segment.steer('nobody');
  await delay(2 * ROUND_TRIP_MS);
  const { reason, message } = await delivery.freezeAndSave(moved.fd);
  t.is(reason, '');
  const second = decodeSaved(message).congestion!;
  isAbout(t, second.window, first.window, 2);
  t.true(second.isFresh);
  // As the other one has it, from where it moves on.
  const { handle } = await head.prepare(message);
  await delivery.closeSilently(moved.fd);
  segment.steer('head');
  const fd = await head.activate(handle);
  isAbout(t, (await head.path(fd)).window, first.window);
  t.true((await next(head, { ...moved, fd })) < 250);
  await end(head, fd, opened);
});

netTest('what a client acknowledges of the time before its move is not taken for a round trip', async (t) => {
  const { client, head, delivery } = segment;
  const { opened } = await warm(0);
  await head.stopServing(opened.fd);
  // Its acknowledgments come to nobody, until it is asked by who has the connection then.
  segment.steer('nobody');
  await head.putAll(opened.fd, Buffer.alloc(5000));
  await client.received(opened.client, 5000);
  const moved = await move(opened);
  t.is(moved.state.sent.length, 5000);
  await acknowledged(delivery, moved.fd);
  const { roundTrip, timeout } = await delivery.path(moved.fd);
  t.true(roundTrip < 1_000_000, `round trip ${roundTrip} us`);
  t.true(timeout <= 3_000_000, `timeout ${timeout} us`);
  await end(delivery, moved.fd, opened);
});

netTest('whatever is said of a path, the connection is served and its window has bounds', async (t) => {
  const { delivery } = segment;
  const MOST = 0xffffffff;
  for (const [said, window] of [
    [{ window: MOST, roundTrip: 1, rate: MOST }, 4096],
    [{ window: MOST, roundTrip: MOST, rate: 0 }, 10],
    [{ window: 0, roundTrip: 0, rate: 0 }, 10],
    [{ window: 1000, roundTrip: 0, rate: MOST }, 10],
    [{ window: 1000, roundTrip: 3_999_999, rate: 1 }, 1000],
    [{ window: 4, roundTrip: 50_000, rate: 1_000_000 }, 4],
    [{ window: 10, roundTrip: 50_000, rate: 1_000_000 }, 10],
    [{ window: 12, roundTrip: 50_000, rate: 1_000_000, isFresh: false }, 10],
  ] as const) {
    const { opened } = await warm(1);
    const change = (state: SavedConnection) => ({ ...state, congestion: { ...congestion, ...said } });
    const moved = await move(opened, delivery, change);
    isAbout(t, (await delivery.path(moved.fd)).window, window, window >= 10 ? IN_ONE_GO : 0);
    t.true((await next(delivery, moved)) < 10_000, JSON.stringify(said));
    t.is((await delivery.path(moved.fd)).rateLimit, undefined);
    await end(delivery, moved.fd, opened);
  }
});

netTest(
  'a client that has gone when its connection moves hurts nobody, and the next is as it was',
  async (t) => {
    const { client, delivery } = segment;
    const { opened } = await warm(1);
    segment.steer('nobody');
    await client.close(opened.client);
    const moved = await move(opened);
    segment.steer('nobody');
    await delivery.putAll(moved.fd, Buffer.alloc(50_000));
    await delivery.close(moved.fd);
    const another = await warm(1);
    const second = await move(another.opened);
    isAbout(t, (await delivery.path(second.fd)).window, second.state.congestion!.window);
    await next(delivery, second);
    await end(delivery, second.fd, another.opened);
  },
);
