/** A head that is replaced loses nobody, by whatever way it hands over; what the others lose is only told, as it is theirs. */
import test from 'ava';
import { runExperiment } from '../../../infra/experiments/kit/run.ts';
import { upgrade } from '../../../infra/experiments/upgrade.ts';
import type { LabKind } from '../../../infra/lab/kinds/kind.ts';
import { loopback } from '../../../infra/lab/kinds/loopback.ts';
import { netns } from '../../../infra/lab/kinds/netns.ts';
import { reportSchema } from '../../../infra/report/schema.ts';
import { createProgress } from '../../../infra/terminal/progress.ts';
import { has } from '../../support/needs.ts';
import { asRoot } from '../../support/netns.ts';

const others = [
  ...(has('haproxy') ? ['HAProxy -sf', 'HAProxy -x -sf'] : []),
  ...(has('nginx') ? ['nginx HUP', 'nginx USR2'] : []),
  'node:cluster',
];

const body = (on: LabKind, ways: readonly string[]) => async (t: import('ava').ExecutionContext) => {
  t.timeout(300_000);
  const report = await runExperiment(upgrade, {
    on,
    quick: true,
    signal: new AbortController().signal,
    progress: createProgress({ write: () => {} }),
  });
  reportSchema.parse(report);
  const [visits, stays] = report.tables;
  t.deepEqual(
    visits!.rows.map(([way]) => way),
    [...ways, ...others],
    report.warnings.join('\n'),
  );
  for (const [way, upgrades, count, failed, , , , processes] of visits!.rows) {
    t.is(upgrades, '2', way);
    t.true(Number(count) > 200, `${way}: ${count}`);
    if (ways.includes(way!)) t.deepEqual([failed, processes], ['-', '1'], way);
  }
  for (const [way, what, , words, unanswered, ended] of stays!.rows) {
    t.true(Number(words) >= 5, `${way}, ${what}: ${words}`);
    if (ways.includes(way!)) t.deepEqual([unanswered, ended], ['0', '-'], `${way}, ${what}`);
  }
  // Each of the Baton ways with every kind, those included that only a head answers.
  for (const way of ways) t.is(stays!.rows.filter(([one]) => one === way).length, 4);
};

test.serial('over loopback', body(loopback, ['handoff-fd']));

asRoot([], test.serial)(
  'between hosts, connections that moved to another one included',
  body(netns, ['handoff-fd', 'handoff-migrate']),
);
