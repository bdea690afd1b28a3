import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';

const fileOf = (name: string) => fileURLToPath(new URL(`../../../infra/suites/${name}`, import.meta.url));

/** Asks its own server, twice started, in the same turn in which it begins to listen; tells what it noticed. */
const program = `
  import { createServer, get } from 'node:http';
  for (const host of [undefined, '127.0.0.1']) {
    const told = [];
    const server = createServer((request, response) => {
      told.push(request.socket.constructor.name);
      response.end('hello', () => server.close());
    });
    server.on('listening', () => told.push('listening'));
    server.listen(0, host);
    if (host !== undefined) await new Promise((resolve) => server.once('listening', resolve));
    const { port, address } = server.address();
    const body = await new Promise((resolve, reject) => get({ port, host: '127.0.0.1', agent: false }, async (response) => {
      resolve((await response.toArray()).join(''));
    }).on('error', reject));
    if (server.listening) await new Promise((resolve) => server.once('close', resolve));
    console.log(JSON.stringify({ address, body, told, after: server.address() }));
  }
`;

test('a server of a program that knows nothing of it is behind a head', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
  const socket = join(directory, 'heads.sock');
  const heads = execa(process.execPath, [fileOf('heads.ts'), socket], { env: { BATON_LOG: 'silent' } });
  t.teardown(async () => {
    heads.kill('SIGTERM');
    await heads;
    await rm(directory, { recursive: true, force: true });
  });
  await once(heads.stdout, 'data');
  const file = join(directory, 'program.mjs');
  await writeFile(file, program);
  const { stdout } = await execa(process.execPath, [`--import=${fileOf('preload.ts')}`, file], {
    env: { BATON_SUITES_HEADS: socket, BATON_LOG: 'silent' },
  });
  t.deepEqual(
    stdout.split('\n').map((line) => JSON.parse(line) as unknown),
    ['::', '127.0.0.1'].map((address) => ({
      address,
      body: 'hello',
      told: ['listening', 'AdoptedSocket'],
      after: null,
    })),
  );
});
