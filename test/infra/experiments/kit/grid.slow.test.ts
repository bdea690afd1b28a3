/** Ways, rounds and what is said when a round was not what it should have been, in a real lab over loopback. */
import test, { type ExecutionContext } from 'ava';
import type { ExperimentContext } from '../../../../infra/experiments/kit/experiment.ts';
import { measureGrid } from '../../../../infra/experiments/kit/grid.ts';
import { measure } from '../../../../infra/experiments/kit/measure.ts';
import { waysOf } from '../../../../infra/experiments/kit/ways.ts';
import type { Lab } from '../../../../infra/lab/lab.ts';
import { startLoopbackLab } from '../../../../infra/lab/loopback.ts';
import { createProgress } from '../../../../infra/terminal/progress.ts';

async function start(t: ExecutionContext): Promise<Lab> {
  const lab = await startLoopbackLab({ mode: 'handoff', deliveries: 1, local: 1 });
  t.teardown(lab.stop);
  return lab;
}

const load = { paths: ['/bytes/10'], rate: 50, durationMs: 200, timeoutMs: 5000 };

function contextFor(t: ExecutionContext, signal: AbortSignal): ExperimentContext & { labels: string[] } {
  const labels: string[] = [];
  const progress = createProgress({ write: (text: string) => void labels.push(text.split(',')[0]!) });
  const startNone = () => {
    t.fail('no lab is wanted here');
    throw new Error('no lab');
  };
  return { startLab: startNone, startLabWithHosts: startNone, quick: true, signal, progress, labels };
}

test('a lab offers the direct way, a handoff for each transport that it has, and both answers', async (t) => {
  const lab = await start(t);
  const ways = waysOf(lab);
  t.deepEqual(
    ways.map(({ name }) => name),
    ['direct', 'handoff-fd', 'redirect', 'created'],
  );
  t.deepEqual(
    ways[0]!.hosts,
    lab.deliveries.map(({ direct }) => direct),
  );
  // With another transport in the lab, its deliveries drain while this one is chosen.
  const mixed = {
    ...lab,
    deliveries: lab.deliveries.map((delivery) =>
      delivery.name === 'd1' ? { ...delivery, transport: 'migrate' as const } : delivery,
    ),
  };
  const byName = (name: string) => waysOf(mixed).find((way) => way.name === name)!;
  const states = async () => {
    const { mode, deliveries } = await lab.head.status();
    return [mode, ...deliveries.toSorted((a, b) => a.name.localeCompare(b.name)).map(({ state }) => state)];
  };
  await byName('handoff-migrate').choose();
  t.deepEqual(await states(), ['handoff', 'up', 'draining']);
  await byName('handoff-fd').choose();
  t.deepEqual(await states(), ['handoff', 'draining', 'up']);
  await byName('redirect').choose();
  t.is((await states())[0], 'redirect');
});

test('rounds take turns, each beginning with another way, and each way is what it says', async (t) => {
  const lab = await start(t);
  const context = contextFor(t, new AbortController().signal);
  const ways = waysOf(lab);
  const grid = { ways, rounds: 2, xs: [{ x: 1, label: 'one', load }] };
  const { cases, warnings } = await measureGrid(grid, context);
  t.deepEqual(context.labels, [
    'round 1 of 2: direct',
    'round 1 of 2: handoff-fd',
    'round 1 of 2: redirect',
    'round 1 of 2: created',
    'round 2 of 2: handoff-fd',
    'round 2 of 2: redirect',
    'round 2 of 2: created',
    'round 2 of 2: direct',
  ]);
  t.deepEqual(
    cases.map(({ name, x, rounds }) => [name, x, rounds.length]),
    ways.map(({ name }) => [`${name}, one`, 1, 2]),
  );
  const redirects = cases.map(({ rounds }) => rounds[0]!.visits.redirects);
  t.deepEqual(redirects, [{}, {}, { 307: 10 }, { 201: 10 }]);
  t.deepEqual(
    cases.map(({ rounds }) => rounds[0]!.headConnections),
    [0, 10, 10, 10],
  );
  t.deepEqual(
    warnings.filter((text) => !text.includes('keep up')),
    [],
  );
});

test('visits that went another way than they should have are told', async (t) => {
  const lab = await start(t);
  const [, handoff, redirect] = waysOf(lab);
  const strayed = await measure({ ...redirect!, choose: handoff!.choose }, 1, load);
  t.regex(strayed!.warnings.join('\n'), /only 0 visits of 10 were answered 307/);
  const sentOn = await measure({ ...handoff!, choose: redirect!.choose }, 1, load);
  t.regex(sentOn!.warnings.join('\n'), /10 visits of 10 were answered 307 on their way/);
  const others = handoff!.deliveries.slice(1);
  const takenElsewhere = await measure({ ...handoff!, deliveries: others }, 1, load);
  t.regex(
    takenElsewhere!.warnings.join('\n'),
    /\d connections were taken by d1, which is not one of this way/,
  );
});

test('a grid that is ended early keeps what it has', async (t) => {
  const lab = await start(t);
  const stop = new AbortController();
  const context = contextFor(t, stop.signal);
  const ways = waysOf(lab).map((way, index) => ({
    ...way,
    choose: async () => {
      if (index === 1) stop.abort();
      await way.choose();
    },
  }));
  const { cases } = await measureGrid({ ways, rounds: 3, xs: [{ x: null, label: '', load }] }, context);
  t.deepEqual(
    cases.map(({ rounds, summary }) => [rounds.length, summary === null]),
    [
      [1, false],
      [0, true],
      [0, true],
      [0, true],
    ],
  );
});
