/**
 * A connection that has sent goes on at the pace that it had when it has moved: measured at a round trip of 50 ms, and with
 * whatever anybody may say of it.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { bpf } from '../../../shared/sys/bpf.ts';
import { findMounted } from '../../../shared/sys/cgroup.ts';
import { check } from '../../../shared/sys/libc.ts';
import { allocate } from '../../../shared/sys/memory.ts';
import { decodeSaved, encodeSaved, type SavedConnection } from '../../../shared/tcp-repair/index.ts';
import { until } from '../../support/until.ts';
import { type Agent, startAgent } from './support/agent.ts';
import type { HostMethods } from './support/host.ts';
import { type Opened, open } from './support/migrate.ts';
import { netTest, segmentForFile } from './support/segment.ts';

const segment = segmentForFile({ farClient: true });
const MB = 1_000_000;
const ROUND_TRIP_MS = 50;
const congestion = { window: 700, roundTrip: 50_000, rate: 28_000_000, isFresh: true };

type Host = Agent<HostMethods>;

/** A connection over which the head has answered so many megabytes, one after the other; what each took. */
async function warm(answers: number): Promise<{ opened: Opened; times: number[] }> {
  const { client, head } = segment;
  segment.steer('head');
  const opened = await open(segment);
  await head.serve(opened.fd, MB);
  const times: number[] = [];
  for (let i = 0; i < answers; i++) {
    times.push(await client.fetch(opened.client, MB));
    await acknowledged(head, opened.fd);
  }
  return { opened, times };
}

const acknowledged = (host: Host, fd: number) =>
  until(
    'all is acknowledged',
    () => host.unacknowledged(fd),
    (bytes) => bytes === 0,
  );

/** Moves it to `to`, with what was saved as `change` makes it. */
async function move(
  { fd, client }: Opened,
  to: Host = segment.delivery,
  change: (state: SavedConnection) => SavedConnection = (state) => state,
): Promise<{ fd: number; client: number; state: SavedConnection }> {
  const { head } = segment;
  await head.stopServing(fd);
  segment.steer('nobody');
  // What the client had sent to the head by then is on its way for half of this.
  await delay(ROUND_TRIP_MS);
  const { reason, message } = await head.freezeAndSave(fd);
  if (reason !== '') throw new Error(reason);
  const state = change(decodeSaved(message));
  const { handle, text } = await to.prepare(encodeSaved(state));
  if (handle < 0) throw new Error(text);
  await head.closeSilently(fd);
  segment.steer('delivery');
  return { fd: await to.activate(handle), client, state };
}

/** Serves what has moved; how long its next answer takes. */
async function next(host: Host, moved: { fd: number; client: number }): Promise<number> {
  await host.serve(moved.fd, MB);
  const took = await segment.client.fetch(moved.client, MB);
  await acknowledged(host, moved.fd);
  await host.stopServing(moved.fd);
  return took;
}

async function end(host: Host, fd: number, { client, listener }: Opened): Promise<void> {
  await segment.client.close(client);
  await host.close(fd);
  await segment.head.close(listener);
}

/** Segments that the kernel sends in one go at most: a window may be larger by that. */
const IN_ONE_GO = 46;
function isAbout(t: ExecutionContext, window: number, wanted: number, more = IN_ONE_GO): void {
  t.true(window >= wanted - Math.min(more, 2) && window <= wanted + more, `${window}, not about ${wanted}`);
}

const least = (times: readonly number[]): number => Math.min(...times);
const without = (...capabilities: string[]): string[] => [
  'setpriv',
  `--bounding-set=${capabilities.map((name) => `-${name}`).join(',')}`,
  `--inh-caps=${capabilities.map((name) => `-${name}`).join(',')}`,
];
const weakDelivery = () =>
  startAgent<HostMethods>(segment.namespaces.delivery, 'host.ts', without('bpf', 'sys_admin', 'perfmon'));

netTest('the next megabyte takes a warm connection as long as if it had not moved', async (t) => {
  await segment.setRoundTrip(ROUND_TRIP_MS);
  const weak = await weakDelivery();
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
  const { head, delivery, namespaces } = segment;
  const control = (name: string) =>
    execFileSync('ip', [
      ...['netns', 'exec', namespaces.head],
      ...['sysctl', '-qw', `net.ipv4.tcp_congestion_control=${name}`],
    ]);
  const usual = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim();
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

netTest('two processes of one host each restore their own', async (t) => {
  const other = await startAgent<HostMethods>(segment.namespaces.delivery, 'host.ts');
  t.teardown(() => other.stop());
  for (const [window, host] of [
    [700, segment.delivery],
    [900, other],
    [800, segment.delivery],
  ] as const) {
    const { opened } = await warm(1);
    const change = (state: SavedConnection) => ({ ...state, congestion: { ...congestion, window } });
    const moved = await move(opened, host, change);
    isAbout(t, (await host.path(moved.fd)).window, window);
    t.true((await next(host, moved)) < 10_000);
    t.is((await host.path(moved.fd)).rateLimit, undefined);
    await end(host, moved.fd, opened);
  }
});

netTest('without the privilege a connection begins anew, and it is told why', async (t) => {
  const weak = await weakDelivery();
  t.teardown(() => weak.stop());
  t.is(await weak.canRepair(), 'yes');
  t.regex(await weak.beginToResume(), /^\S.*\(EPERM\)$/);
  const { opened } = await warm(1);
  const moved = await move(opened, weak);
  t.not(moved.state.congestion, null);
  const { window, rateLimit } = await weak.path(moved.fd);
  t.deepEqual([window, rateLimit], [10, undefined]);
  t.true((await next(weak, moved)) < 10_000);
  await end(weak, moved.fd, opened);
});

/** A cgroup for one process, where this test sees them. */
function cgroupFor(t: ExecutionContext, name: string): string | undefined {
  const root = findMounted('/', readFileSync('/proc/self/mountinfo', 'utf8'));
  if (root === undefined) return undefined;
  const folder = `${root}/${name}-${process.pid}`;
  mkdirSync(folder);
  t.teardown(() => rmdirSync(folder));
  return folder;
}
const PROG_QUERY = 16;
const SOCK_OPS = 3;
/** How many sock_ops programs it has (bpf(2); union bpf_attr, query). */
function attachedTo(folder: string): number {
  const fd = openSync(folder, 'r');
  const attr = allocate(64);
  try {
    attr.view.setUint32(0, fd, true);
    attr.view.setUint32(4, SOCK_OPS, true);
    check('bpf(PROG_QUERY)', bpf(PROG_QUERY, attr.address, 64));
    return attr.view.getUint32(24, true);
  } finally {
    attr.free();
    closeSync(fd);
  }
}

netTest(
  'the program ends with its process, however that ends, and follows it into another cgroup',
  async (t) => {
    const [first, second] = [cgroupFor(t, 'baton-a'), cgroupFor(t, 'baton-b')];
    if (first === undefined || second === undefined) {
      t.pass('no cgroups of version 2 are shown here');
      return;
    }
    const host = await startAgent<HostMethods>(segment.namespaces.delivery, 'host.ts');
    t.teardown(() => host.stop());
    writeFileSync(`${first}/cgroup.procs`, String(host.pid));
    t.is(await host.beginToResume(), '');
    t.is(attachedTo(first), 1);
    writeFileSync(`${second}/cgroup.procs`, String(host.pid));
    const windows: number[] = [];
    for (let i = 0; i < 2; i++) {
      const { opened } = await warm(1);
      const moved = await move(opened, host, (state) => ({ ...state, congestion }));
      windows.push((await host.path(moved.fd)).window);
      t.true((await next(host, moved)) < 10_000);
      await end(host, moved.fd, opened);
    }
    // The first shows that it was moved.
    t.is(windows[0], 10);
    isAbout(t, windows[1]!, 700);
    t.is(attachedTo(second), 1);
    await host.stop();
    await until(
      'nothing is attached',
      async () => attachedTo(first) + attachedTo(second),
      (count) => count === 0,
    );
    t.pass();
  },
);
