/** Connections that move before their TLS handshake, to the host that serves the name. */
import { once } from 'node:events';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import test from 'ava';
import { startService } from '../../../infra/lab/service.ts';
import { asRoot } from '../../support/netns.ts';
import { startTestLab } from '../../support/netns-lab.ts';
import { open } from '../../support/raw-client.ts';

const program = join(import.meta.dirname, '..', '..', 'support', 'tls-app.ts');

asRoot([], test.serial)('a TLS connection moves before its handshake, by its server name', async (t) => {
  const lab = await startTestLab({ deliveries: 2 });
  for (const [host, name, serves] of [
    ['d1', 'shop', ['shop.example']],
    ['d2', 'img', ['*.img.example']],
  ] as const) {
    await lab.head.drain(host, true);
    lab.enter(host);
    const options = JSON.stringify({
      secret: join(lab.network.directory, 'secret'),
      vip: lab.head.listen.split(':')[0],
      direct: null,
      serves,
    });
    const app = await startService([process.execPath, program, lab.control, name, options]);
    t.teardown(() => app.stop());
    lab.enter('client');
  }
  const ask = async (servername: string, options = {}): Promise<string> => {
    const socket = connectTls({
      socket: await open(lab.head.listen),
      servername,
      rejectUnauthorized: false,
      ...options,
    });
    try {
      await once(socket, 'secureConnect');
    } catch (error) {
      return (error as NodeJS.ErrnoException).code!;
    }
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString().split('\r\n\r\n')[1]!;
  };
  for (const options of [{}, { maxVersion: 'TLSv1.2' }, { ecdhCurve: 'P-384' }]) {
    t.is(await ask('shop.example', options), 'shop for shop.example');
    t.is(await ask('a.b.img.example', options), 'img for a.b.img.example');
  }
  const { outcomes, migration } = await lab.head.status();
  t.is(outcomes.handoff!.taken, 6);
  t.is(migration!.outcomes.adopted, 6);
  // d1 and d2 serve every name, and are drained.
  t.is(await ask('elsewhere.example'), 'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR');
  await lab.untilStatus('no credit in use', ({ deliveries }) => deliveries.every(({ inUse }) => inUse === 0));
});
