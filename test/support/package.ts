/** The packed package, installed in a project that knows nothing of this one; its folder is made when this is loaded. */
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { execa } from 'execa';
import { get } from '../../shared/node-http.ts';
import { parseHostPort } from '../../shared/units.ts';
import { version } from '../../shared/version.ts';
import { outsideNpm } from './outside-npm.ts';

export const checkout = fileURLToPath(new URL('../..', import.meta.url));
export const folder = await mkdtemp(join(tmpdir(), 'baton-package-'));
export const project = join(folder, 'unrelated');
export const installed = join(project, 'node_modules', 'baton');
export const baton = join(project, 'node_modules', '.bin', 'baton');

export const here = {
  cwd: project,
  extendEnv: false,
  // The command's first line asks for the `node` of PATH.
  env: { ...outsideNpm, BATON_LOG: 'warn', PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
};

interface Installed {
  /** What came with the package alone. */
  readonly alone: readonly string[];
  readonly kilobytes: number;
}

/** Packs it, and installs that in the project, and what the tests need besides. `t` fails when something else is in it. */
export async function packAndInstall(t: ExecutionContext): Promise<Installed> {
  await mkdir(project);
  await writeFile(join(project, 'package.json'), '{"name": "unrelated", "private": true, "type": "module"}');
  const packed = await execa({ ...here, cwd: checkout })`npm pack --json --pack-destination ${folder}`;
  const files = [...packed.stdout.matchAll(/"path": "([^"]+)"/g)].map(([, path]) => path!);
  t.deepEqual(
    files
      .filter(
        (path) =>
          !/^(dist|docs|infra\/(monitoring|lab\/examples))\/|^(LICENSE|README\.md|SECURITY\.md|package\.json)$/.test(
            path,
          ),
      )
      .sort(),
    [
      'infra/keepalived/baton.conf',
      'infra/systemd/baton-delivery@.service',
      'infra/systemd/baton-head-local.conf',
      'infra/systemd/baton-head.service',
      'infra/systemd/baton-head.socket',
      'infra/systemd/baton.tmpfiles',
      'infra/systemd/remote-delivery.conf',
      'shared/wire/PROTOCOL.md',
      'test/delivery/python_delivery.py',
    ],
  );
  const tarball = join(folder, `baton-${version}.tgz`);
  await execa(here)`npm install --no-audit --no-fund --prefer-offline ${tarball}`;
  const alone = (await execa(here)`npm ls --all --parseable`).stdout.split('\n').slice(1);
  const kilobytes = Number((await execa('du', ['-sk', join(project, 'node_modules')])).stdout.split('\t')[0]);
  await execa(
    here,
  )`npm install --no-audit --no-fund --prefer-offline express@5 fastify@5 @types/node@24 esbuild@0.28 typescript-5@npm:typescript@5.9`;
  return { alone, kilobytes };
}

/** Removes all of it. */
export const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });

/** Starts a program of the project, which ends with the test, and reads the line of JSON that says it is ready. */
export async function start(t: ExecutionContext, file: string, ...args: string[]) {
  const child = execa(file, args, { ...here, reject: false, buffer: false, timeout: 60_000 });
  t.teardown(async () => {
    child.kill('SIGKILL');
    await child;
  });
  child.stderr.on('data', (bytes: Buffer) => t.log(bytes.toString()));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return { child, ready: JSON.parse(String(line)) as Record<string, string> };
}

export const startHead = (t: ExecutionContext, name: string) => {
  const socket = join(folder, `${name}.sock`);
  return start(t, baton, 'head', '--listen', '127.0.0.1:0', '--socket', socket, '--workers', '2');
};

/** GET / from one of this host's addresses, on a connection of its own. */
export async function ask(listen: string, path: string, localAddress: string) {
  const request = get({ ...parseHostPort(listen)!, path, localAddress, agent: false });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const { localPort } = response.socket;
  return { status: response.statusCode, localPort, body: (await json(response)) as Record<string, unknown> };
}
