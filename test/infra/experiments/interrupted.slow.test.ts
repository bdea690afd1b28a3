import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { reportSchema } from '../../../infra/report/schema.ts';
import { asRoot } from '../../support/netns.ts';

const main = fileURLToPath(new URL('../../../infra/cli/main.ts', import.meta.url));

asRoot()('an interrupted set keeps what it has and leaves no process or namespace', async (t) => {
  const out = await mkdtemp(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rm(out, { recursive: true }));
  const child = execa(process.execPath, [main, 'lab', 'all', '--on', 'netns', '--quick', '--out', out], {
    reject: false,
  });
  t.teardown(async () => void child.kill('SIGKILL'));
  let seen = 0;
  for await (const line of createInterface({ input: child.stderr })) {
    // Well into the first experiment.
    if (line.startsWith('round 1 of 1') && ++seen === 3) break;
  }
  child.kill('SIGINT');
  const { exitCode } = await child;
  t.is(exitCode, 130);
  const { stdout: namespaces } = await execa('ip', ['netns', 'list']);
  t.false(namespaces.includes(`baton-${child.pid}-`), namespaces);
  const files = await readdir(out);
  t.is(files.filter((name) => name.endsWith('.json')).length, 1, files.join(' '));
  const json = files.find((name) => name.endsWith('.json'))!;
  const report = reportSchema.parse(JSON.parse(await readFile(join(out, json), 'utf8')));
  t.false(report.complete);
  t.true(report.cases.filter(({ rounds }) => rounds.length > 0).length >= 2);
});
