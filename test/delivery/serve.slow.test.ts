import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { startDelivery } from '../../delivery/serve.ts';
import { Agent, get } from '../../shared/node-http.ts';
import { startCluster } from '../support/cluster.ts';
import { open, send, sendOn } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });

/** An application in a file of its own, which leaves what it sees in `globalThis.seen`. */
async function appFile(t: ExecutionContext, source: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-app-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, 'app.mjs');
  await writeFile(file, source);
  return file;
}

const askAndStay = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

test.serial(
  'a client that leaves a silent answer costs nothing any more, handed over or direct',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '1'], []);
    const app = await appFile(t, 'export default () => { globalThis.asked = (globalThis.asked ?? 0) + 1; };');
    const delivery = await startDelivery({ name: 'd1', app, head: cluster.socket }, { log });
    t.teardown(() => delivery.stop());
    await delivery.ready;
    const asked = () => (globalThis as { asked?: number }).asked ?? 0;
    for (const [round, address] of [cluster.listen, delivery.direct].entries()) {
      const socket = await open(address);
      socket.write(askAndStay);
      await until('it is asked', asked, (count) => count === round + 1);
      socket.end();
      // The delivery's end of it, where nothing was written.
      t.is(await text(socket), '');
    }
    await cluster.untilStatus('credits are back', ({ deliveries }) => deliveries[0]!.inUse === 0);
  },
);

test.serial(
  'a client that ends its side after its request is answered where that is asked for',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '1'], []);
    const app = await appFile(
      t,
      'export default (_request, response) => setTimeout(() => response.end("late"), 200);',
    );
    for (const [settings, path] of [
      [{ app, halfOpen: 'on' }, '/'],
      [{}, '/delay/200'],
    ] as const) {
      const delivery = await startDelivery({ name: 'd1', head: cluster.socket, ...settings }, { log });
      await delivery.ready;
      for (const address of [cluster.listen, delivery.direct]) {
        const reply = await send(address, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`, { halfClose: true });
        t.is(reply.status, 200);
      }
      await delivery.stop();
    }
  },
);

test.serial(
  'clients that wait at the direct address of a busy delivery are answered when it stops',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '1', '--stall-timeout', '30s'], []);
    const app = await appFile(
      t,
      `export default (_request, response) => {
      const until = performance.now() + 20;
      while (performance.now() < until);
      response.end('done');
    };`,
    );
    const delivery = await startDelivery({ name: 'd1', app, head: cluster.socket }, { log });
    await delivery.ready;
    const clients = await Promise.all(Array.from({ length: 60 }, () => open(delivery.direct)));
    const answers = clients.map((client) => sendOn(client, askAndStay));
    const stopped = delivery.stop();
    // It is stopped until long after it meant to close its address, and more wait in the kernel's queue then.
    const more = Array.from({ length: 60 }, () => open(delivery.direct).then((it) => sendOn(it, askAndStay)));
    const busyUntil = performance.now() + 900;
    while (performance.now() < busyUntil);
    for (const { status } of await Promise.all([...answers, ...more])) t.is(status, 200);
    await stopped;
  },
);

test.serial(
  'clients of the direct address are told too that it stops, and those that say nothing are not waited for',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '1'], []);
    const delivery = await startDelivery({ name: 'd1', head: cluster.socket, drainTimeout: '30s' }, { log });
    await delivery.ready;
    const silent = await open(delivery.direct);
    const silentEnded = once(silent.resume(), 'end');
    const clients = [cluster.listen, delivery.direct].flatMap((address) =>
      Array.from({ length: 10 }, async () => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 });
        for (;;) {
          const [response] = (await once(get(`http://${address}/delay/100`, { agent }), 'response')) as [
            IncomingMessage,
          ];
          await text(response);
          if (response.headers.connection !== 'close') continue;
          agent.destroy();
          return response.statusCode;
        }
      }),
    );
    await until(
      'all are there',
      () => cluster.status(),
      ({ deliveries: [d1] }) => d1!.inUse === 10,
    );
    const from = performance.now();
    const stopped = delivery.stop();
    t.deepEqual(await Promise.all(clients), new Array(20).fill(200));
    await silentEnded;
    await stopped;
    t.true(performance.now() - from < 15_000);
  },
);
