/** What locality is worth: how much more is answered, where the disks and not the machine are what everybody waits for. */
import test from 'ava';
import { runExperiment } from '../../../infra/experiments/kit/run.ts';
import { locality } from '../../../infra/experiments/locality.ts';
import { loopback } from '../../../infra/lab/kinds/loopback.ts';
import { reportSchema } from '../../../infra/report/schema.ts';
import { createProgress } from '../../../infra/terminal/progress.ts';

test('LARD finds in caches what round robin reads from disks, and has more than twice the throughput', async (t) => {
  t.timeout(120_000);
  const report = reportSchema.parse(
    await runExperiment(locality, {
      on: loopback,
      quick: true,
      signal: new AbortController().signal,
      progress: createProgress({ write: () => {} }),
    }),
  );
  t.deepEqual(report.warnings, []);
  const rows = report.tables.flatMap(({ title, rows: all }) => all.map((row) => [title, ...row] as const));
  const of = (title: string, policy: string) => {
    const row = rows.find(([where, , name]) => where.startsWith(title) && name === policy)!;
    return { rate: Number(row[3]), hits: Number.parseFloat(row[5]!) };
  };
  const [base, own] = [of('a connection', 'weighted'), of('a connection', 'lard')];
  t.true(own.rate > 2 * base.rate, `${own.rate} and ${base.rate}`);
  t.true(own.hits > base.hits + 20, `${own.hits} and ${base.hits}`);
  t.true(
    of('kept alive, placed by connection', 'lard').hits < own.hits - 20,
    'all but the first are anywhere',
  );
  const [once, each] = [
    of('kept alive, placed by connection', 'lard'),
    of('kept alive, placed by request', 'lard'),
  ];
  t.true(each.rate > 1.2 * once.rate, `${each.rate} and ${once.rate}`);
  t.true(each.hits > once.hits + 20);
  t.regex(report.answer, /LARD had [\d.]+ times the throughput/);
});
