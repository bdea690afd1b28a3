import test from 'ava';
import {
  disturbance,
  type Fault,
  type Observed,
  timeChart,
} from '../../../../infra/experiments/failure/time.ts';
import type { Lab } from '../../../../infra/lab/lab.ts';
import type { VisitResult } from '../../../../infra/visits/result.ts';

const fault: Fault = {
  name: 'broken',
  marks: ['breaks', 'whole'],
  ofHead: false,
  lasts: true,
  begin: async () => {},
  end: async () => {},
};

/** Visits of 20 ms every 100 ms for 5 s; it breaks at 2 s; `odd` are the visits that took otherwise (negative: failed). */
function observed(odd: Readonly<Record<number, number>>): Observed {
  const startMicros = Array.from({ length: 50 }, (_, index) => index * 1e5);
  const totalMicros = startMicros.map((start) => odd[start / 1e6] ?? 20_000);
  const rest = { lateMicros: [], connectMicros: [], ports: [] };
  const visits = { samples: { startMicros, totalMicros, ...rest } } as unknown as VisitResult;
  const way = {
    name: 'direct',
    mode: undefined,
    description: '',
    // What was observed is looked at; nothing is asked of a lab.
    lab: {} as Lab,
    hosts: [],
    deliveries: [],
    choose: async () => {},
  };
  const round = { round: 1, visits, headConnections: 0, headCpuMicrosPerConnection: null };
  return { fault, way, x: 0, faultMs: 2000, endMs: 4000, round };
}

test('nothing is disturbed when visits go on as before, or are hardly slower', (t) => {
  t.like(disturbance(observed({})), { slow: 0, lastedMs: 0 });
  t.like(disturbance(observed({ 3: 60_000 })), { slow: 0, lastedMs: 0 });
});

test('failed and slow visits are a disturbance, from the fault to the end of the last of them', (t) => {
  t.like(disturbance(observed({ 2.5: 500_000 })), { slow: 1, lastedMs: 1000, longestMicros: 500_000 });
  t.like(disturbance(observed({ 2.5: 500_000, 3.5: -100_000 })), { slow: 1, lastedMs: 1600 });
  // A visit that was under way when it broke.
  t.like(disturbance(observed({ 1.9: -300_000 })), { slow: 0, lastedMs: 200 });
});

test('what was slow before the fault is the measure for what comes after it', (t) => {
  t.like(disturbance(observed({ 1: 400_000, 3: 440_000 })), { slow: 0, lastedMs: 0 });
});

test('the plot has the slowest visit of each tenth of a second, failed ones at their limit, and the events', (t) => {
  const { lines, events } = timeChart(fault, [observed({ 2.5: 500_000, 3: -100_000 })], 3000);
  const at = (x: number) => lines[0]!.points.find((point) => point.x === x)?.y;
  t.deepEqual([at(0), at(2.5), at(3)], [20, 500, 3000]);
  t.deepEqual(events, [
    { x: 2, label: 'breaks' },
    { x: 4, label: 'whole' },
  ]);
  t.deepEqual(timeChart({ ...fault, name: 'other' }, [observed({})], 3000).lines, []);
});
