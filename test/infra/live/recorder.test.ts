/** What is kept of what was seen: bounded, and only what was measured under one set of conditions. */
import test from 'ava';
import { Recorder } from '../../../infra/live/recorder.ts';
import type { Sample } from '../../../infra/live/sampler.ts';
import type { Tick } from '../../../infra/live/tick.ts';
import type { VisitedWindow } from '../../../infra/live/visitors/protocol.ts';
import { bucketEnd, bucketOf } from '../../../infra/visits/buckets.ts';

const way = (done: number) => ({
  done,
  failed: 0,
  p50: done,
  p90: done,
  p99: done,
  max: done,
  heat: [3, done],
});
const tick = (n: number): Tick =>
  ({
    n,
    at: n * 1000,
    ms: 1000,
    ways: { direct: way(n) },
    head: { cpuMicros: 10, queued: 0 },
    events: [{ at: n * 1000, kind: 'changed', text: `${n}` }],
  }) as unknown as Tick;

test('six hours take no more room than one, and loses no visit', (t) => {
  const recorder = new Recorder();
  const seconds = 21_600;
  for (let n = 1; n <= seconds; n++) recorder.ticked(tick(n));
  t.true(recorder.rows.length < 1800, String(recorder.rows.length));
  t.true(recorder.rows.length >= 900);
  const [ticks] = [recorder.rows.reduce((sum, row) => sum + row.ticks, 0)];
  t.true(seconds - ticks < recorder.rows[0]!.ticks);
  const visits = recorder.rows.reduce((sum, { ways }) => sum + ways.direct!.done, 0);
  t.is(visits, (ticks * (ticks + 1)) / 2);
  t.is(
    recorder.rows.reduce((sum, { ways }) => sum + ways.direct!.heat[1]!, 0),
    visits,
  );
  t.is(recorder.events.length, 500);
  t.is(recorder.events.at(-1)!.text, String(seconds));
});

const window = (from: number, whole = true, visits = 200): VisitedWindow =>
  ({
    stretch: 1,
    way: 'direct',
    from,
    until: from + 1000,
    whole,
    result: { visits },
  }) as unknown as VisitedWindow;

test('rounds are whole windows under the same conditions, the latest of them', (t) => {
  const recorder = new Recorder();
  recorder.visited(window(0, false), '');
  recorder.visited(window(0, true, 0), '');
  t.is(recorder.cases.size, 0);
  for (let n = 0; n < 100; n++) recorder.visited(window(1000 * n), '');
  recorder.visited(window(0), 'd1 frozen');
  const [plain, frozen] = [...recorder.cases.values()];
  t.is(plain!.rounds.length, 60);
  t.is(plain!.rounds.at(-1)!.round, 100);
  t.is(frozen!.conditions, 'd1 frozen');
  for (let n = 0; n < 1000; n++) recorder.visited(window(0), `condition ${n}`);
  t.is(recorder.cases.size, 40);
});

test("a window's connections and CPU are those between its two moments", (t) => {
  const recorder = new Recorder();
  const sample = (at: number, accepted: number, pid = 7) =>
    recorder.sampled({
      at,
      status: { accepted, pid, cpu: { userMicros: accepted * 30, systemMicros: accepted * 10 } },
    } as unknown as Sample);
  sample(1000, 100);
  sample(2000, 300);
  sample(3000, 500);
  recorder.visited(window(1500), '');
  const [round] = recorder.cases.values().next().value!.rounds;
  t.is(round!.headConnections, 200);
  t.is(Math.round(round!.headCpuMicrosPerConnection!), 40);
  // Another head counts anew: nothing is said of a window that has two.
  sample(4000, 10, 8);
  recorder.visited(window(2600), '');
  t.is(recorder.cases.values().next().value!.rounds[1]!.headCpuMicrosPerConnection, null);
});

test('buckets of durations are as wide as they say', (t) => {
  for (const micros of [1, 64, 65, 200, 1000, 12_345, 5e6, 67e6, 1e12]) {
    const bucket = bucketOf(micros);
    t.true(bucket >= 0 && bucket <= 120);
    if (bucket < 120) t.true(micros <= bucketEnd(bucket) * 1.0001, String(micros));
    if (bucket > 0) t.true(micros > bucketEnd(bucket - 1) * 0.9999, String(micros));
  }
});
