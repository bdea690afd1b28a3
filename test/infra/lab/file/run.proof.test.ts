/** An experiment of a lab file, from its timetable to its report. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { reportSchema } from '../../../../infra/report/schema.ts';

const project = fileURLToPath(new URL('../../../../', import.meta.url));
const main = `${project}infra/cli/main.ts`;
const baton = (...args: string[]) => execa(process.execPath, [main, ...args], { reject: false });

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

test('an experiment of a file has a report as any other: events marked, what failed told, read by baton compare', async (t) => {
  const out = await folder(t);
  const file = `${project}infra/lab/examples/delivery-killed.yaml`;
  const run = async () => {
    const { exitCode, stderr } = await baton('lab', 'run', file, '--quick', '--out', out);
    t.is(exitCode, 0, stderr);
  };
  await run();
  await run();
  const files = (await readdir(out)).filter((name) => name.endsWith('.json')).map((name) => join(out, name));
  t.is(files.length, 2);
  const report = reportSchema.parse(JSON.parse(await readFile(files[0]!, 'utf8')));
  t.is(report.experiment, 'delivery-killed');
  t.regex(report.command, /^baton lab run .*delivery-killed\.yaml --on loopback --quick$/);
  t.deepEqual(
    report.cases.map(({ way }) => way),
    ['direct', 'handoff-fd', 'redirect'],
  );
  const failed = (way: string) => report.cases.find((each) => each.way === way)!.rounds[0]!.visits.failed;
  // Half of the direct visitors are on their own for two seconds; those that are handed over are not.
  t.true(failed('direct') > 50, String(failed('direct')));
  t.true(failed('handoff-fd') <= 3, String(failed('handoff-fd')));
  for (const { title, events, lines } of report.charts) {
    t.deepEqual(
      events.map(({ label }) => label),
      ['kill d1', 'start d1'],
      title,
    );
    t.true(Math.abs(events[0]!.x - 2) < 0.5 && Math.abs(events[1]!.x - 4) < 0.5, JSON.stringify(events));
    t.is(lines.length, 3);
  }
  const share = report.charts.find(({ title }) => title.endsWith('failed'))!;
  const direct = share.lines.find(({ way }) => way === 'direct')!.points;
  t.true(direct.some(({ x, y }) => x > 2 && x < 4 && y! > 20));
  t.true(direct.filter(({ x }) => x < 1.8).every(({ y }) => y === 0));
  t.deepEqual(
    report.warnings.filter((text) => text.includes('could not be done')),
    [],
  );
  const compared = await baton('compare', ...files);
  t.is(compared.exitCode, 0, compared.stderr);
  t.regex(compared.stdout, /handoff-fd/);
});
