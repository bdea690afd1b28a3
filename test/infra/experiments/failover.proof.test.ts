/** Moved connections outlive the host that had the address; those of a proxy do not. */
import test from 'ava';
import { failover } from '../../../infra/experiments/failover.ts';
import { runExperiment } from '../../../infra/experiments/kit/run.ts';
import { netns } from '../../../infra/lab/kinds/netns.ts';
import { reportSchema } from '../../../infra/report/schema.ts';
import { createProgress } from '../../../infra/terminal/progress.ts';
import { has } from '../../support/needs.ts';
import { asRoot } from '../../support/netns.ts';

asRoot(['keepalived'], test.serial)(
  'a host that is lost costs a proxy’s streams, and no moved one',
  async (t) => {
    const report = await runExperiment(failover, {
      on: netns,
      quick: true,
      signal: new AbortController().signal,
      progress: createProgress({ write: () => {} }),
    });
    reportSchema.parse(report);
    const rows = new Map(report.tables[0]!.rows.map(([, way, lost]) => [way, lost]));
    t.deepEqual([...rows], [
      ['handoff-migrate', '0 of 20'],
      ...(has('haproxy') ? [['proxy', '20 of 20']] : []),
    ] as [string, string][]);
    t.is(report.charts.length, 1);
  },
);
