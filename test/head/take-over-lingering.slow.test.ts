/** A predecessor that is not done when its successor is the head: docs/upgrade.md. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { getStatus, upgradeHead } from '../../infra/admin-client.ts';
import { Mailbox } from '../../infra/keeper/mailbox.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { NAME, openTls, pair } from '../support/encrypted.ts';
import { visit } from '../support/load.ts';
import { until } from '../support/until.ts';
import { gone, startToUpgrade as start } from '../support/upgrades.ts';

test.serial(
  'a predecessor that still speaks TLS with a client stays for it, is replaced again meanwhile, and says nothing of stopping',
  async (t) => {
    t.timeout(120_000);
    const folder = await mkdtemp(join(tmpdir(), 'baton-lingering-'));
    const said: string[] = [];
    const manager = new Mailbox(({ words, fds }) => {
      fds.forEach(closeFd);
      said.push([...words].map(([key, value]) => `${key}=${value}`).join(' '));
    });
    t.teardown(async () => {
      manager.close();
      await rm(folder, { recursive: true });
    });
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    await writeFile(cert, pair.cert);
    await writeFile(key, pair.key, { mode: 0o600 });
    process.env.NOTIFY_SOCKET = manager.path;
    const patience = ['--head-timeout', '60s', '--stop-timeout', '60s'];
    const tls = [
      '--mode',
      'redirect',
      '--workers',
      '1',
      '--tls-certificate',
      cert,
      '--tls-key',
      key,
      ...patience,
    ];
    const cluster = await start(t, tls, []).finally(() => delete process.env.NOTIFY_SOCKET);
    await cluster.addDelivery('d1', '--tls-certificate', cert, '--tls-key', key);
    const first = cluster.head.pid;
    const client = await openTls(cluster.listen);
    client.write(`GET /a HTTP/1.1\r\nHost: ${NAME}\r\n`);
    await cluster.untilStatus('it is under inspection', (status) => status.open === 1);
    const { pid: second } = await upgradeHead(cluster.admin);
    const { pid: third } = await upgradeHead(cluster.admin);
    await gone(second);
    t.is((await getStatus(cluster.admin)).pid, third);
    // Whoever stops the first one stops no service.
    process.kill(first, 'SIGTERM');
    t.is((await visit(cluster.listen, '/bytes/4')).status, 200);
    client.write('Connection: close\r\n\r\n');
    t.regex(await text(client), /^HTTP\/1\.1 307 /);
    await gone(first);
    await until(
      'its successor is told',
      () => said,
      (all) => all.includes(`MAINPID=${third}`),
    );
    t.true(said.some((words) => words.includes(`MAINPID=${second}`)));
    t.deepEqual(
      said.filter((words) => words.includes('STOPPING')),
      [],
    );
  },
);
