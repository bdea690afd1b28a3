/** What a kernel counts, read of this machine and, line by line, of a host that is asked. */
import test from 'ava';
import { thisMachine } from '../../../infra/lab/loopback.ts';
import { kernelHere, kernelOf } from '../../../infra/live/kernel.ts';
import { CpuMeter } from '../../../infra/live/tick.ts';
import type { HeadStatus } from '../../../shared/status.ts';
import { until } from '../../support/until.ts';

test('a host that is asked says what this machine reads of itself', async (t) => {
  const there = kernelOf(thisMachine);
  t.teardown(() => there.close());
  t.deepEqual(there.read(process.pid), {});
  const names = Object.keys(kernelHere.read(process.pid)).sort();
  t.true(names.includes('resets sent') && names.includes('accept queue full'), names.join(', '));
  const counts = await until(
    'it has answered',
    async () => there.read(process.pid),
    (now) => Object.keys(now).length > 0,
  );
  t.deepEqual(Object.keys(counts).sort(), names);
  const opened = 'connections accepted';
  t.true(counts[opened]! <= kernelHere.read(process.pid)[opened]!);
});

test('of a process or a host that is gone nothing is said, and nothing is thrown', async (t) => {
  t.deepEqual(kernelHere.read(2 ** 22), {});
  const there = kernelOf(thisMachine);
  await there.close();
  t.deepEqual(there.read(process.pid), {});
});

test('what a connection costs is counted over as many seconds as it takes for enough of them', (t) => {
  const cpu = new CpuMeter();
  const status = (pid: number, accepted: number, userMicros: number) =>
    ({ pid, accepted, cpu: { userMicros, systemMicros: 0 } }) as unknown as HeadStatus;
  t.is(cpu.read(status(1, 0, 5000)), null);
  t.is(cpu.read(status(1, 8, 6000)), null);
  t.is(cpu.read(status(1, 16, 7000)), null);
  t.is(cpu.read(status(1, 25, 10_000)), 200);
  t.is(cpu.read(status(1, 30, 12_000)), null);
  // Another head counts from zero.
  t.is(cpu.read(status(2, 3, 100)), null);
  t.is(cpu.read(status(2, 43, 4100)), 100);
});
