import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';
import { reportSchema } from '../../../infra/report/schema.ts';

const main = fileURLToPath(new URL('../../../infra/soak/main.ts', import.meta.url));
const args = ['--rate', '30', '--fault-every', '4', '--sample-every', '1', '--seed', '4'];

test('a short soak says what holds, and an interrupt ends a long one with what was seen', async (t) => {
  t.timeout(120_000);
  const out = await mkdtemp(join(tmpdir(), 'baton-soak-test-'));
  t.teardown(() => rm(out, { recursive: true, force: true }));
  const running = execa('node', [main, '--hours', '1', ...args, '--out', out], { reject: false });
  // It says so when a fault comes about; after two of them all kinds of visits have been there.
  let faults = 0;
  for await (const line of running) {
    if (/min: /.test(line) && ++faults === 3) running.kill('SIGINT');
  }
  const { stdout, exitCode } = await running;
  t.is(exitCode, 0, stdout);
  const [json] = readdirSync(out).filter((name) => /Z\.json$/.test(name));
  const report = reportSchema.parse(JSON.parse(readFileSync(join(out, json!), 'utf8')));
  t.false(report.complete);
  t.deepEqual(report.warnings, []);
  t.deepEqual(
    report.tables[0]!.rows.map(([, holds]) => holds),
    ['not judged', 'yes', 'yes', 'yes', 'yes', 'yes'],
  );
  const svg = readFileSync(join(out, json!.replace(/json$/, 'svg')), 'utf8');
  t.regex(svg, /^<svg /);
});
