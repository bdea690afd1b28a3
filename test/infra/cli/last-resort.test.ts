/** An exception that nobody catches, in the main thread of a head or in one of its workers. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { execa } from 'execa';
import { baton } from '../../../infra/lab/service.ts';
import { allocate } from '../../../shared/sys/memory.ts';
import { closeFd, receive, write } from '../../../shared/sys/sockets.ts';
import { TAKEN } from '../../../shared/wire/lane.ts';
import { open } from '../../support/raw-client.ts';
import { startRogue } from '../../support/rogue.ts';

const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok';

for (const [what, code] of [
  ['an exception', `throw new Error('first\\nsecond')`],
  ['a rejection', `Promise.reject(new Error('first\\nsecond'))`],
] as const) {
  test.serial(
    `${what} that nobody catches ends a head with one line, after what it held was passed on`,
    async (t) => {
      const directory = await mkdtemp(join(tmpdir(), 'baton-last-'));
      t.teardown(() => rm(directory, { recursive: true, force: true }));
      const socket = join(directory, 'head.sock');
      // Failing is what it is told to do by a signal that means nothing to a head.
      const script = `process.on('SIGWINCH', () => { ${code}; });`;
      const args = ['head', '--listen', '127.0.0.1:0', '--workers', '1', '--socket', socket];
      const head = execa(baton[0]!, ['--import', `data:text/javascript,${script}`, baton[1]!, ...args], {
        reject: false,
        env: { BATON_DEBUG: '' },
      });
      t.teardown(async () => void head.kill('SIGKILL'));
      const [line] = (await once(head.stdout, 'data')) as [Buffer];
      const { listen } = JSON.parse(line.toString()) as { listen: string };
      const rogue = await startRogue(socket);
      const client = await open(listen);
      t.teardown(async () => void client.destroy());
      const answered = text(client);
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      const { first, fds } = await rogue.offered();
      // Untaken: it is the head's, which fails now.
      head.kill('SIGWINCH');
      await once(head.stderr, 'data', { signal: AbortSignal.timeout(60_000) });
      t.is(rogue.say(TAKEN, first, 1) >= 0, true, 'the head is there to hear it');
      const memory = allocate(1024);
      memory.bytes.write(answer, 0, 'latin1');
      receive(fds[0]!, memory, 512, 512);
      write(fds[0]!, memory, 0, answer.length);
      fds.forEach(closeFd);
      t.is(await answered, answer);
      const { exitCode, stderr } = await head;
      t.is(exitCode, 1);
      const lines = stderr.split('\n').filter((said) => !said.startsWith('{'));
      t.deepEqual(lines, [
        'baton: first (unexpected; the head has passed on what it had; BATON_DEBUG=1 shows where)',
      ]);
      rogue.die();
    },
  );
}
