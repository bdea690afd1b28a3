/** Heads under the real tools of systemd: started by a visitor, and with the units that ship. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { execa } from 'execa';
import { socketKinds } from '../../../head/inherited.ts';
import { getStatus } from '../../../infra/admin-client.ts';
import { baton } from '../../../infra/lab/service.ts';
import { needing } from '../../support/needs.ts';
import { send } from '../../support/raw-client.ts';
import { until } from '../../support/until.ts';

const units = fileURLToPath(new URL('../../../infra/systemd', import.meta.url));

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'baton-systemd-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** An address of its own on loopback: nobody else asks for the port. */
const address = (last: number): string => `127.0.13.${last}:18080`;

/** What systemd-socket-activate(1) starts a head with at the first connection, and the head's log. */
async function activate(t: ExecutionContext, listen: string, names: string, ...options: string[]) {
  const socket = join(await folder(t), 'head.sock');
  const args = ['head', '--listen', listen, '--socket', socket, '--first-delivery-within', '0', ...options];
  const child = execa('systemd-socket-activate', ['-l', listen, `--fdname=${names}`, ...baton, ...args], {
    reject: false,
    buffer: false,
  });
  t.teardown(async () => {
    child.kill('SIGKILL');
    await child;
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    log += part;
  });
  await until(
    'it listens',
    () => log,
    (text) => text.includes('Listening on'),
  );
  return { child, socket, log: () => log };
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

needing('systemd-socket-activate')(
  'the visitor who starts a head is served by it, over the socket of systemd',
  async (t) => {
    const listen = address(1);
    const { child } = await activate(t, listen, 'worker', '--workers', '1');
    t.is((await send(listen, REQUEST, { timeoutMs: 60_000 })).status, 503);
    t.is((await send(listen, REQUEST)).status, 503);
    child.kill('SIGTERM');
    t.is((await child).exitCode, 0);
  },
);

needing('systemd-socket-activate')('more workers than sockets open their own beside it', async (t) => {
  const listen = address(2);
  const { child, socket } = await activate(t, listen, 'worker', '--workers', '3');
  t.is((await send(listen, REQUEST, { timeoutMs: 60_000 })).status, 503);
  t.is((await getStatus(socket.replace('.sock', '.admin.sock'))).listeners.length, 3);
  for (let i = 0; i < 12; i++) t.is((await send(listen, REQUEST)).status, 503);
  child.kill('SIGTERM');
  t.is((await child).exitCode, 0);
});

needing('systemd-socket-activate')(
  'a socket whose name says nothing, or something else, is refused in one line',
  async (t) => {
    for (const [last, name, line] of [
      [3, 'http', /FileDescriptorName= says what a socket is for/],
      [4, 'deliveries', /no Unix socket of type seqpacket/],
    ] as const) {
      const { child, log } = await activate(t, address(last), name, '--workers', '1');
      void send(address(last), REQUEST, { timeoutMs: 60_000 }).catch(() => {});
      t.is((await child).exitCode, 1);
      t.regex(log().trim().split('\n').at(-1)!, /^baton: the head cannot go on with/);
      t.regex(log(), line);
    }
  },
);

needing('systemd-analyze')('the units are valid, and expose little', async (t) => {
  const path = await folder(t);
  const names = (await readdir(units)).filter((name) => /\.(service|socket)$/.test(name));
  t.is(names.length, 3);
  for (const name of names) {
    const text = await readFile(join(units, name), 'utf8');
    // Here it is not installed, and has no user.
    await writeFile(join(path, name), text.replaceAll('/usr/local/bin/baton', '/bin/true'));
    const kind = /^FileDescriptorName=(.*)$/m.exec(text)?.[1];
    t.true(kind === undefined || (socketKinds as readonly string[]).includes(kind));
  }
  const verified = await execa({ cwd: path, reject: false })`systemd-analyze verify ${names.map(
    (name) => `./${name.replace('@', '@d1')}`,
  )}`;
  t.is(verified.exitCode, 0, verified.stderr);
  t.is(verified.stderr, '');
  for (const name of names.filter((name) => name.endsWith('.service'))) {
    const { exitCode, stdout } = await execa({
      reject: false,
    })`systemd-analyze security --offline=true --threshold=40 --no-pager ${join(path, name)}`;
    t.is(exitCode, 0, stdout.split('\n').at(-1));
  }
});
