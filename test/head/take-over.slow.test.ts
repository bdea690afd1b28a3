/** A head that hands over to its successor: every connection goes on, in whichever state it is, and no visit is lost. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { getStatus, reload, setDrain, setMode, upgradeHead } from '../../infra/admin-client.ts';
import { baton } from '../../infra/lab/service.ts';
import { failed, visit, visitSteadily } from '../support/load.ts';
import { open } from '../support/raw-client.ts';
import { askRaw, question } from '../support/rogue-successor.ts';
import { until } from '../support/until.ts';
import { gone, startToUpgrade, takeOver } from '../support/upgrades.ts';

test('a real head is succeeded by a real one although it is killed meanwhile, and nobody is refused', async (t) => {
  const cluster = await startToUpgrade(t);
  t.timeout(120_000);
  const visits = visitSteadily(cluster.listen, '/bytes/4', { count: 200, perSecond: 50 });
  const successor = await takeOver(cluster, '--workers', '4');
  // A question that is refused disturbs nobody.
  await until(
    'it has the sockets',
    () => askRaw(cluster.admin, question('baton-take-over/0')),
    ({ text }) => text.includes('about to take over'),
    60_000,
  );
  process.kill(cluster.head.pid, 'SIGKILL');
  await successor.taken;
  const all = await visits;
  t.true(all.filter(({ error }) => error.includes('ECONNREFUSED')).length === 0);
  // What it had accepted and not handed over, a batch at most, ends with it, as with any head that is killed.
  t.true(failed(all).length <= 64, `${failed(all).length} failed`);
  t.is((await visit(cluster.listen, '/bytes/4')).status, 200);
});

test('an answer that lingers, one that its client does not read and a deadline pass on', async (t) => {
  t.timeout(120_000);
  const cluster = await startToUpgrade(t, [
    '--workers',
    '1',
    '--mode',
    'redirect',
    '--head-timeout',
    '15s',
    '--linger-total',
    '60s',
    '--linger-idle',
    '30s',
  ]);
  const lingering = await open(cluster.listen);
  lingering.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nsome');
  const [answer] = (await once(lingering, 'data')) as [Buffer];
  t.regex(answer.toString('latin1'), /^HTTP\/1\.1 307 /);
  const answered = async (client: Socket) => {
    const [late] = (await once(client, 'data')) as [Buffer];
    t.regex(late.toString('latin1'), /^HTTP\/1\.1 408 /);
    return performance.now();
  };
  const slow = await open(cluster.listen);
  const began = performance.now();
  slow.write('GET / HT');
  const slowAnswered = answered(slow);
  await cluster.untilStatus('both are there', (status) => status.open === 1 && status.lingering === 1);
  // By now its deadline is another than that of one who comes.
  await delay(4000);
  await upgradeHead(cluster.admin);
  const young = await open(cluster.listen);
  const youngBegan = performance.now();
  young.write('GET / HT');
  const youngAnswered = answered(young);
  const status = await cluster.untilStatus('and there', (now) => now.open === 2 && now.lingering === 1);
  t.is(status.mode, 'redirect');
  t.is(status.accepted, 2);
  let isReset = false;
  lingering.on('error', () => {
    isReset = true;
  });
  // The body goes on, and nobody resets it.
  for (let i = 0; i < 20; i++) {
    lingering.write('more'.repeat(100));
    await delay(5);
  }
  t.false(isReset);
  // The deadline is the one that it had: as much before the other's as it came before it, however slow the machine is.
  const before = (await youngAnswered) - (await slowAnswered);
  t.true(
    before > (youngBegan - began) / 2,
    `${before} ms before one that came ${youngBegan - began} ms later`,
  );
  t.true((await slowAnswered) - began > 14_000);
  young.destroy();
  lingering.end();
  slow.destroy();
  await cluster.untilStatus('nothing is left', (now) => now.open + now.lingering === 0);
});

test('what a frozen delivery had not taken is served by the successor', async (t) => {
  const cluster = await startToUpgrade(t, ['--workers', '1', '--stall-timeout', '60s'], ['frozen', 'other']);
  await cluster.deliveries[0]!.freeze!();
  const visits = visitSteadily(cluster.listen, '/bytes/4', { count: 20, perSecond: 1000 });
  await cluster.untilStatus('some are untaken', ({ deliveries }) => deliveries[0]!.untaken > 0);
  await upgradeHead(cluster.admin);
  t.deepEqual(failed(await visits), []);
  await cluster.deliveries[0]!.resume!();
  await cluster.untilStatus(
    'it is back',
    ({ deliveries }) => deliveries.filter(({ state }) => state === 'up').length === 2,
  );
});

test('SIGUSR2 and `baton upgrade` say what became of it; a successor that cannot start leaves the head as it was', async (t) => {
  const { directory, ...cluster } = await startToUpgrade(t, ['--workers', '1'], ['d1']);
  t.truthy(directory);
  const before = (await getStatus(cluster.admin)).pid;
  const run = () =>
    execa(baton[0]!, [...baton.slice(1), 'upgrade', '--socket', cluster.socket], { reject: false });
  const done = await run();
  t.is(done.exitCode, 0);
  t.regex(done.stdout, /^process \d+ has taken over from process \d+$/);
  await gone(before);
  const { pid } = await getStatus(cluster.admin);
  process.kill(pid, 'SIGUSR2');
  await gone(pid);
  await until(
    'a successor',
    () =>
      getStatus(cluster.admin).then(
        (status) => status.pid,
        () => pid,
      ),
    (now) => now !== pid,
  );
  t.is((await visit(cluster.listen, '/bytes/4')).status, 200);
});

test('a configuration that is wrong by now is told, and the head goes on', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'baton-upgrade-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const config = join(directory, 'head.json');
  await writeFile(config, '{}');
  const cluster = await startToUpgrade(t, ['--workers', '1', '--config', config], ['d1']);
  await writeFile(config, '{"backlog": "many"}');
  const failing = await execa(baton[0]!, [...baton.slice(1), 'upgrade', '--socket', cluster.socket], {
    reject: false,
  });
  t.is(failing.exitCode, 1);
  t.regex(failing.stderr, /was not taken over: its successor ended \(status 2\)/);
  t.is((await cluster.status()).pid, cluster.head.pid);
  t.is((await visit(cluster.listen, '/bytes/4')).status, 200);
});

test('what is changed while a successor warms up is not lost with it', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'baton-upgrade-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const config = join(directory, 'head.json');
  await writeFile(config, '{}');
  const cluster = await startToUpgrade(t, ['--workers', '1', '--config', config], ['d1', 'd2']);
  // One that nothing is given to is not waited for.
  await setDrain(cluster.admin, 'd2', true);
  const successor = await takeOver(cluster, '--workers', '1', '--config', config);
  await until(
    'it has its settings, and the sockets',
    () => askRaw(cluster.admin, question('baton-take-over/0')),
    ({ text }) => text.includes('about to take over'),
    60_000,
  );
  await writeFile(config, '{"policy":"path-hash"}');
  await reload(cluster.admin);
  await setMode(cluster.admin, 'redirect');
  await successor.taken;
  const status = await cluster.untilStatus('it has the settings', ({ policy }) => policy === 'path-hash');
  t.is(status.mode, 'redirect');
  // A delivery that has come is down for as long as workers have not heard of it.
  const { deliveries } = await cluster.untilStatus(
    'both are there',
    (now) => now.deliveries.length === 2 && now.deliveries.every(({ state }) => state !== 'down'),
  );
  t.is(deliveries.find(({ name }) => name === 'd2')!.state, 'draining');
});

test('a successor by hand says why it cannot, and another user may not', async (t) => {
  const cluster = await startToUpgrade(t, ['--workers', '1'], ['d1']);
  const elsewhere = await takeOver(cluster, '--listen', '127.0.0.1:1');
  const { exitCode, stderr } = await elsewhere.ended;
  t.is(exitCode, 1);
  t.regex(stderr, /a listener keeps its address, so give that to --listen/);
  const nobody = await execa(
    baton[0]!,
    [...baton.slice(1), 'head', '--take-over', '--socket', join(cluster.directory, 'none.sock')],
    { reject: false },
  );
  t.is(nobody.exitCode, 1);
  t.regex(nobody.stderr, /no head answers at/);
  t.is((await visit(cluster.listen, '/bytes/4')).status, 200);
  t.is((await cluster.status()).pid, cluster.head.pid);
});
