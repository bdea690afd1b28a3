/** What an application may do with connections that have moved to it, and nobody else may notice. */
import { join } from 'node:path';
import test from 'ava';
import { startService } from '../../../infra/lab/service.ts';
import { asRoot } from '../../support/netns.ts';
import { startTestLab } from '../../support/netns-lab.ts';
import { open, sendOn } from '../../support/raw-client.ts';

const labTest = asRoot([], test.serial);
const ownApp = join(import.meta.dirname, '..', '..', 'support', 'own-app.ts');
const request = (path: string) => `GET /${path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n`;

labTest(
  'what the application throws for a connection that has moved is nobody else\u2019s, nor the link\u2019s',
  async (t) => {
    const lab = await startTestLab({ deliveries: 1 });
    await lab.head.drain('d1', true);
    lab.enter('d1');
    const options = {
      secret: join(lab.network.directory, 'secret'),
      vip: lab.head.listen.split(':')[0],
      direct: null,
    };
    const app = await startService([
      ...[process.execPath, ownApp, lab.control, 'own', JSON.stringify(options)],
    ]);
    lab.enter('client');
    t.teardown(() => app.stop());
    const paths = Array.from({ length: 60 }, (_, i) => (i % 20 === 7 ? 'boom' : 'ok'));
    const clients = await Promise.all(
      paths.map(async (path) => {
        const socket = await open(lab.head.listen);
        const reply = sendOn(socket, request(path)).then(
          ({ status, rest }) => `${status} ${rest}`,
          (error: Error) => error.message,
        );
        return { path, socket, reply };
      }),
    );
    const answers = clients.filter(({ path }) => path === 'ok').map(({ reply }) => reply);
    t.deepEqual(await Promise.all(answers), Array(57).fill('200 ok'));
    const { rest } = await sendOn(await open(lab.head.listen), request('counts'));
    t.like(JSON.parse(rest.toString()), { uncaught: 3, begun: 60 });
    t.deepEqual(
      (await lab.head.status()).deliveries.map(({ name, state }) => [name, state]),
      [
        ['d1', 'draining'],
        ['own', 'up'],
      ],
    );
    for (const { path, socket } of clients) if (path === 'boom') socket.destroy();
    await lab.untilStatus('no credit in use', ({ deliveries }) =>
      deliveries.every(({ inUse }) => inUse === 0),
    );
  },
);
