/** The experiment that holds the generator against the packets, whose answer is known beforehand. */
import test from 'ava';
import { ALLOWED_MICROS, selfcheck } from '../../../infra/experiments/selfcheck.ts';
import { asRoot } from '../../support/netns.ts';
import { isBusy, runQuick } from '../../support/run-quick.ts';

/** `+0.123 ms` of a table -> microseconds. */
const microsOf = (cell: string) => Math.abs(Number.parseFloat(cell.replace('−', '-'))) * 1000;

asRoot(['tcpdump'], test.serial)("the generator's times are those of the packets, to 0.2 ms", async (t) => {
  const tried: string[] = [];
  for (let attempt = 0; attempt < 4; attempt++) {
    const { tables } = await runQuick(selfcheck);
    // Plain visits, and those over TLS.
    t.deepEqual(
      tables.map(({ rows }) => rows.map((row) => row[1])),
      [Array(2).fill('300'), Array(4).fill('300')],
    );
    const rows = tables.flatMap((table) => table.rows);
    const [p50s, p99s] = [4, 7].map((column) => rows.map((row) => microsOf(row[column]!)));
    tried.push(`p50 ${p50s}, p99 ${p99s}`);
    t.log(tried.at(-1));
    if (Math.max(...p50s!, ...p99s!) <= ALLOWED_MICROS) return void t.pass();
    // Where others take the processors the slowest hundredth says nothing.
    if (isBusy() && attempt > 1) return void t.true(Math.max(...p50s!) <= ALLOWED_MICROS);
  }
  t.fail(tried.join('; '));
});
