import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { baton } from '../../infra/lab/service.ts';

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

const module = new URL('../../shared/trace.ts', import.meta.url).href;

const run = (code: string, env: Record<string, string>) =>
  execa(
    process.execPath,
    ['--input-type=module', '-e', `import * as t from ${JSON.stringify(module)};${code}`],
    {
      env,
      reject: false,
    },
  );

test('each step is one line with the time, the thread and what it is with, and the last says that it is the last', async (t) => {
  const path = await folder(t);
  const code = `t.trace.say('c5', 'offer', 'l7', 0);
    const at = t.trace.now(); t.trace.say('c6', 'close'); t.trace.sayAt(at, [['l7', 'take', 0, 'c5'], ['l7', 'take', 1, 'c6']]);
    process.stdout.write(String(process.pid))`;
  const { stdout: pid } = await run(code, { BATON_TRACE: path });
  const lines = (await readFile(join(path, `${pid}.trace`), 'utf8')).trimEnd().split('\n');
  t.deepEqual(
    lines.map((line) => line.replace(/^\d+ /, '').replace(`${pid}.0 `, '')),
    ['- begin', 'c5 offer l7 0', 'c6 close', 'l7 take 0 c5', 'l7 take 1 c6', '- end'],
  );
  const [, , closed, first, second] = lines.map((line) => BigInt(line.split(' ')[0]!));
  t.true(first! < closed!, 'what was begun before has the time of then');
  t.is(first, second);
});

test('without a folder there is nothing; with an option there is from then on', async (t) => {
  const path = await folder(t);
  const code = `process.stdout.write(typeof t.trace); t.traceTo(${JSON.stringify(`${path}/new`)});
    process.stdout.write(' ' + typeof t.trace + ' ' + process.env.BATON_TRACE)`;
  const { stdout } = await run(code, { BATON_TRACE: '' });
  t.is(stdout, `undefined object ${path}/new`);
  t.true(existsSync(`${path}/new`));
});

test('a folder that cannot be written to is refused in one line, as an option and in the environment', async (t) => {
  const path = join(await folder(t), 'file');
  await writeFile(path, '');
  const args = [...baton.slice(1), 'head', '--listen', '127.0.0.1:0', '--socket', `${path}.sock`];
  for (const [more, env, option] of [
    [['--trace', path], { BATON_TRACE: '' }, '--trace'],
    [[], { BATON_TRACE: path }, 'BATON_TRACE'],
  ] as const) {
    const { stderr, exitCode } = await execa(baton[0]!, [...args, ...more], { env, reject: false });
    t.regex(stderr, new RegExp(`^baton: [^\\n]*${option}[^\\n]*cannot write there[^\\n]*$`));
    t.true(exitCode !== 0);
  }
});
