/** A connection to a virtual machine ends with the process that has it: nothing of ssh stays behind, also after a SIGKILL. */
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import { execa } from 'execa';
import { until } from '../../../support/until.ts';

const module = new URL('../../../../infra/lab/vagrant/connection.ts', import.meta.url).href;

/** As ssh: says that it is connected, and does over there, which is here, what it is told. */
const ssh = `#!/bin/sh
for word; do last=$word; done
echo '{}'
echo $$ >&3
exec sh -c "$last"
`;

const program = `
const { connect } = await import(${JSON.stringify(module)});
await connect({ file: '/dev/null', machines: ['head'] }, 'head', { directory: process.argv[1], seconds: 60 });
console.log('connected');
setInterval(() => {}, 1000);
`;

for (const signal of ['SIGKILL', 'SIGTERM'] as const)
  test(`ssh ends when its process is ended by ${signal}`, async (t) => {
    const place = mkdtempSync(join(tmpdir(), 'baton-test-'));
    t.teardown(() => rmSync(place, { recursive: true }));
    const told = join(place, 'pid');
    writeFileSync(join(place, 'ssh'), ssh.replace('>&3', `>${told}`));
    chmodSync(join(place, 'ssh'), 0o755);
    const child = execa(process.execPath, ['--input-type=module', '-e', program, place], {
      reject: false,
      stdin: 'ignore',
      env: { PATH: `${place}:${process.env.PATH}` },
    });
    t.teardown(() => child.kill('SIGKILL'));
    await once(createInterface({ input: child.stdout }), 'line');
    const { stdout: pid } = await execa('cat', [told]);
    t.notThrows(() => process.kill(Number(pid), 0));
    child.kill(signal);
    await child;
    const isThere = () => {
      try {
        return process.kill(Number(pid), 0);
      } catch {
        return false;
      }
    };
    await until(
      'it has ended',
      async () => isThere(),
      (is) => !is,
    );
    t.pass();
  });
