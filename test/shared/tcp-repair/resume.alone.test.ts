/** The program that lets a connection go on at its pace, and its process: who has one, who may not, and when it ends. */
import { closeSync, mkdirSync, openSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { bpf } from '../../../shared/sys/bpf.ts';
import { findMounted } from '../../../shared/sys/cgroup.ts';
import { check } from '../../../shared/sys/libc.ts';
import { allocate } from '../../../shared/sys/memory.ts';
import type { SavedConnection } from '../../../shared/tcp-repair/index.ts';
import { until } from '../../support/until.ts';
import { startAgent } from './support/agent.ts';
import type { HostMethods } from './support/host.ts';
import { netTest, segmentForFile } from './support/segment.ts';
import { congestion, isAbout, ROUND_TRIP_MS, startWeakDelivery, warmOn } from './support/warm.ts';

const segment = segmentForFile({ farClient: true });
const { warm, move, next, end } = warmOn(segment);

netTest('two processes of one host each restore their own', async (t) => {
  await segment.setRoundTrip(ROUND_TRIP_MS);
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
  const weak = await startWeakDelivery(segment);
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
