/**
 * The check that costs do not creep up: a head's CPU for each connection, beside the least C head and the notes' design
 * in the same run. Ratios, not times, and half as much again as they are on a quiet machine, so that a busy one passes;
 * what is as much worse fails. `npm run bench -- --check` holds the exact bars.
 */
import test from 'ava';
import { findCompiler } from '../../../infra/bench/compile.ts';
import type { Suite } from '../../../infra/bench/contender.ts';
import { batonHandoff, batonRedirect } from '../../../infra/bench/contenders/baton.ts';
import { fdLoop } from '../../../infra/bench/contenders/fd-loop.ts';
import { notesRedirect } from '../../../infra/bench/contenders/notes-redirect.ts';
import { chooseCores, pin } from '../../../infra/bench/cpu.ts';
import { burstLoad } from '../../../infra/bench/loads.ts';
import { measureSuite } from '../../../infra/bench/measure.ts';
import { failures, judge } from '../../../infra/bench/report.ts';
import { openStage } from '../../../infra/bench/stage.ts';
import { openRing } from '../../../shared/sys/ring.ts';

/** On the kernels where system calls are made one by one they cost what they cost in C, and JavaScript on top. */
const ring = openRing();
ring?.end();
const perBatch = ring !== undefined;

const common = { about: '', loads: ['burst'], apart: 'subject' } as const;
const suites: readonly Suite[] = [
  {
    ...common,
    name: 'handoff',
    status: 200,
    contenders: [batonHandoff, fdLoop],
    bars: [{ figure: 'subjectCpu', against: fdLoop.name, atMost: perBatch ? 1.1 : 1.6 }],
  },
  {
    ...common,
    name: 'redirect',
    status: 307,
    contenders: [batonRedirect, notesRedirect],
    bars: [{ figure: 'subjectCpu', against: notesRedirect.name, atMost: perBatch ? 0.7 : 1.6 }],
  },
];

const declare =
  process.env.CI !== undefined || (await findCompiler()) !== undefined ? test.serial : test.serial.skip;

for (const suite of suites) {
  declare(`${suite.name}: a connection costs what it did beside C`, async (t) => {
    const cores = await chooseCores();
    const stage = await openStage(new AbortController().signal);
    try {
      const settings = { rounds: 5, loads: [burstLoad(4)], warmUp: burstLoad(16), cores };
      const [result] = await measureSuite(suite, stage, settings, () => {});
      t.is(failures(result!.entries), 0);
      for (const { found, met, atMost, against } of judge(suite, result!.entries)) {
        t.log(
          `${found.median.toFixed(2)} times ${against} (${found.min.toFixed(2)}..${found.max.toFixed(2)})`,
        );
        t.true(met, `${found.median.toFixed(2)} times ${against}, above ${atMost}`);
      }
    } finally {
      // Measuring leaves this process on the load's cores.
      await pin(process.pid, `${cores.head},${cores.rest}`);
      await stage.close();
    }
  });
}
