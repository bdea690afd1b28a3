import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { readEnvironment } from '../../../infra/lab/environment.ts';
import { compareReports } from '../../../infra/report/compare.ts';
import { renderComparePage } from '../../../infra/report/compare-page.ts';
import type { Report, Round } from '../../../infra/report/schema.ts';
import { summariseRounds } from '../../../infra/report/summarise.ts';
import { runVisits } from '../../../infra/visits/run.ts';
import { createServer } from '../../../shared/node-http.ts';

const environment = { ...(await readEnvironment()), lab: 'loopback', baton: '0.0.0' };

function reportOf(rounds: readonly Round[], parameters: Report['parameters'] = {}): Report {
  return {
    schema: 2,
    kind: 'baton-report',
    experiment: 'modes',
    title: '',
    question: 'why?',
    answer: 'because',
    command: '',
    startedAt: '2026-01-02T03:04:05.678Z',
    seconds: 1,
    complete: true,
    environment,
    parameters,
    x: null,
    cases: [
      {
        name: 'direct',
        way: 'direct',
        x: null,
        description: '',
        rounds: [...rounds],
        summary: summariseRounds(rounds),
      },
    ],
    comparisons: [],
    charts: [],
    tables: [],
    saturation: [],
    notes: [],
    warnings: [],
  };
}

/** Real visits to a server that waits `delayMs` before it answers. */
async function visitRound(round: number, delayMs: number): Promise<Round> {
  const server = createServer((_, answer) => setTimeout(() => answer.end(), delayMs)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const visits = await runVisits({ urls: [url], rate: 100, durationMs: 300 });
  server.close();
  return { round, visits, headConnections: 0, headCpuMicrosPerConnection: null };
}

/** Rounds in turns against servers that wait 10, 10 and 15 ms: the verdict on the second and the third, seen from the first. */
async function judgeSlowed() {
  const runs: Round[][] = [[], [], []];
  for (let round = 1; round <= 5; round++) {
    for (const [index, delayMs] of [10, 10, 15].entries())
      runs[index]!.push(await visitRound(round, delayMs));
  }
  const [one, same, slowed] = runs.map((rounds) => reportOf(rounds));
  const against = (report: Report) =>
    compareReports([
      { file: 'a', report: one! },
      { file: 'b', report },
    ]);
  return { same: against(same!), slowed: against(slowed!) };
}

test.serial(
  'a server that is 5 ms slower is found, and two runs of the same show no difference',
  async (t) => {
    // On a machine that keeps a round waiting for more than that, nothing can be found: then it is asked again.
    for (let attempt = 0; attempt < 4; attempt++) {
      const { same, slowed } = await judgeSlowed();
      t.is(same.comparisons.p50[0]!.verdict, 'no difference shown', same.answer);
      const { verdict, differenceMicros } = slowed.comparisons.p50[0]!;
      t.not(verdict, 'lower', slowed.answer);
      if (verdict !== 'higher') continue;
      t.regex(slowed.answer, /p50 of direct is \+/);
      t.true(differenceMicros > 3000 && differenceMicros < 8000, slowed.answer);
      return;
    }
    t.fail('it was not found');
  },
);

/** Five rounds whose p50 and p99 are around `ms`. */
async function synthetic(ms: number): Promise<Round[]> {
  const base = await visitRound(1, 0);
  return [1, 2, 3, 4, 5].map((round) => {
    const p50 = 1000 * ms + round;
    return { ...base, round, visits: { ...base.visits, latency: { ...base.visits.latency, p50, p99: p50 } } };
  });
}

test('what was not the same is listed, the letters say which run is which, and the page has it all', async (t) => {
  const compared = compareReports([
    { file: 'first.json', report: reportOf(await synthetic(10), { policy: 'round-robin', rounds: 5 }) },
    { file: 'second.json', report: reportOf(await synthetic(20), { policy: 'path-hash', rounds: 5 }) },
    { file: 'third.json', report: reportOf(await synthetic(10), { policy: 'round-robin', rounds: 5 }) },
  ]);
  t.deepEqual(compared.conditions, [{ name: 'policy', values: ['round-robin', 'path-hash', 'round-robin'] }]);
  t.deepEqual(
    compared.comparisons.p50.map(({ a, b, verdict }) => [a, b, verdict]),
    [
      ['A', 'B', 'higher'],
      ['A', 'C', 'no difference shown'],
    ],
  );
  t.regex(compared.answer, /^2 of 4 comparisons show a difference.*in B against A/);
  const page = await renderComparePage(compared);
  for (const text of ['second.json', 'path-hash', 'What else was not the same', 'no difference shown'])
    t.true(page.includes(text), text);
});

test('too few rounds, and no case in common, are said', async (t) => {
  const few = reportOf((await synthetic(10)).slice(0, 2));
  const other = { ...few, cases: few.cases.map((each) => ({ ...each, name: 'another' })) };
  const answer = (report: Report) =>
    compareReports([
      { file: 'a', report: few },
      { file: 'b', report },
    ]).answer;
  t.regex(answer(few), /Too few rounds/);
  t.regex(answer(other), /no case in common/);
});
