/** What can go wrong between a head and its successor beside death and freezing of the second: docs/upgrade.md, Faults. */
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';
import { Inherited } from '../../head/inherited.ts';
import { askToTakeOver, TakeOver } from '../../head/take-over/successor.ts';
import { upgradeHead } from '../../infra/admin-client.ts';
import { baton } from '../../infra/lab/service.ts';
import { createServer } from '../../shared/node-http.ts';
import { closeFd, isListening } from '../../shared/sys/sockets.ts';
import { failed, visit, visitSteadily } from '../support/load.ts';
import { needing } from '../support/needs.ts';
import { open } from '../support/raw-client.ts';
import { RogueSuccessor } from '../support/rogue-successor.ts';
import { until } from '../support/until.ts';
import { gone, startToUpgrade as start, takeOver } from '../support/upgrades.ts';

const asRoot = process.getuid!() === 0 ? test.serial : (test.serial.skip as typeof test.serial);

test.serial('a predecessor that freezes before it has handed over goes on when it can', async (t) => {
  const cluster = await start(t, ['--workers', '1'], ['d1']);
  const successor = await askToTakeOver(cluster.admin);
  await cluster.head.freeze!();
  const visits = visitSteadily(cluster.listen, '/bytes/4', { count: 10, perSecond: 50, timeoutMs: 30_000 });
  const error = await t.throwsAsync(successor.complete(), { message: /did not answer in time/ });
  await successor.abort(error);
  successor.close();
  await cluster.head.resume!();
  t.deepEqual(failed(await visits), []);
  t.is((await cluster.status()).pid, cluster.head.pid);
  // And it can be replaced.
  await upgradeHead(cluster.admin);
  await gone(cluster.head.pid);
  t.is((await visit(cluster.listen, '/bytes/4')).status, 200);
});

for (const end of ['freezes', 'dies'] as const) {
  test.serial(`a predecessor that ${end} after *confirmed* is not waited for`, async (t) => {
    const cluster = await start(t, ['--workers', '1'], ['d1']);
    const half = await open(cluster.listen);
    half.on('error', () => {}).write('GET / HTTP/1.1\r\n');
    await cluster.untilStatus('it is under inspection', (status) => status.open === 1);
    const rogue = await RogueSuccessor.ask(cluster.admin);
    await rogue.hear('sockets');
    await rogue.say('ready');
    await rogue.hear('handed');
    await cluster.head.freeze!();
    await rogue.say('confirmed');
    if (end === 'dies') process.kill(cluster.head.pid, 'SIGKILL');
    const began = performance.now();
    const rest = new TakeOver(rogue.pipe, new Inherited([]), cluster.head.pid).rest(() => t.fail());
    await rest;
    // The delivery waits for whoever has its lane: a frozen predecessor is ended.
    await gone(cluster.head.pid);
    if (end === 'freezes') t.true(performance.now() - began > 900);
    // All that it had is the successor's: the listener with its queue, and the connection.
    t.true(rogue.fds.some(isListening));
    const visitor = await open(cluster.listen);
    visitor.on('error', () => {}).destroy();
    t.false(half.destroyed);
    half.destroy();
    for (const fd of rogue.fds) closeFd(fd);
  });
}

test.serial(
  'a head that dies before its sockets have come, and one that hands over to nobody, are told',
  async (t) => {
    const cluster = await start(t, ['--workers', '1'], []);
    await cluster.head.freeze!();
    const asked = askToTakeOver(cluster.admin);
    await delay(50);
    await cluster.head.kill();
    await t.throwsAsync(asked, { message: /it cut off who asked|went away/ });
    const path = join(cluster.directory, 'old.sock');
    const said = '{"error":{"code":"USAGE","message":"there is no GET /take-over"}}';
    const old = createServer((_, response) =>
      response.writeHead(404, { 'content-length': said.length }).end(said),
    ).listen(path);
    await once(old, 'listening');
    await t.throwsAsync(askToTakeOver(path), {
      message: /of a release that hands over to nobody; restart it instead/,
    });
    old.close();
  },
);

test.serial(
  'a successor that is told to stop before it is the head gives up, and the head goes on',
  async (t) => {
    const cluster = await start(t, ['--workers', '1'], ['d1']);
    const { pid } = cluster.head;
    const visits = visitSteadily(cluster.listen, '/bytes/4', {
      count: 100,
      perSecond: 50,
      timeoutMs: 30_000,
    });
    const successor = await takeOver(cluster, '--workers', '2');
    const warms = `"successor":${successor.pid},"msg":"a successor warms up"`;
    await until(
      'it warms up',
      () => cluster.head.log!(),
      (log) => log.includes(warms),
    );
    successor.kill('SIGTERM');
    const { exitCode, stderr } = await successor.ended;
    t.is(exitCode, 1, stderr);
    t.is(stderr.match(/it was told to stop/g)?.length, 1, stderr);
    // Before it is ready, and after that.
    for (const isReady of [false, true]) {
      const other = await askToTakeOver(cluster.admin);
      if (!isReady) other.giveUp();
      const completed = other.complete();
      // It awaits what it is handed.
      if (isReady) other.giveUp();
      const error = await t.throwsAsync(completed, { message: /it was told to stop/ });
      await other.abort(error);
      other.close();
    }
    t.is((await cluster.status()).pid, pid);
    t.deepEqual(failed(await visits), []);
    // And it can be replaced.
    await upgradeHead(cluster.admin);
    await gone(pid);
  },
);

test.serial(
  'a head that stops while one warms up leaves no queue behind in which clients wait for nobody',
  async (t) => {
    const cluster = await start(t, ['--workers', '1'], ['d1']);
    const successor = await takeOver(cluster, '--workers', '1');
    const warms = `"successor":${successor.pid},"msg":"a successor warms up"`;
    await until(
      'it warms up',
      () => cluster.head.log!(),
      (log) => log.includes(warms),
    );
    // It has copies of the listeners, and does not hear that it is not to be the head.
    successor.kill('SIGSTOP');
    process.kill(cluster.head.pid, 'SIGTERM');
    // Meanwhile the head serves.
    t.is((await visit(cluster.listen, '/bytes/4')).status, 200);
    await gone(cluster.head.pid);
    await t.throwsAsync(open(cluster.listen), { code: 'ECONNREFUSED' });
    await successor.ended;
  },
);

test.serial(
  'a successor that is told to stop before deliveries have come answers those whom it was handed',
  async (t) => {
    const patient = ['--workers', '1', '--stall-timeout', '30s'];
    const cluster = await start(t, patient, ['d1']);
    const client = await open(cluster.listen);
    client.write('GET /bytes/4 HTTP/1.1\r\nHost: x\r\n');
    await cluster.untilStatus('it is under inspection', (status) => status.open === 1);
    // It comes to nobody.
    await cluster.deliveries[0]!.freeze!();
    const successor = await takeOver(cluster, ...patient);
    await successor.taken;
    const answer = text(client);
    client.write('Connection: close\r\n\r\n');
    successor.kill('SIGTERM');
    t.regex(await answer, /^HTTP\/1\.1 503 /);
    const { exitCode, stderr } = await successor.ended;
    t.is(exitCode, 0, stderr);
  },
);

asRoot('another user is refused, although somebody has opened the socket to all', async (t) => {
  const cluster = await start(t, ['--workers', '1'], ['d1']);
  await chmod(cluster.directory, 0o777);
  await chmod(cluster.admin, 0o777);
  const script = fileURLToPath(new URL('../support/ask-as.ts', import.meta.url));
  const { stdout } = await execa(process.execPath, [script, '65534', cluster.admin]);
  t.regex(
    stdout,
    /^HTTP\/1\.1 409 .*"code":"TAKE_OVER_REFUSED".*user 65534 asks, and it is a head of user 0/s,
  );
  t.is((await visit(cluster.listen, '/bytes/4')).status, 200);
});

needing(['prlimit'], test.serial)('a successor that may not open so many files gives up', async (t) => {
  const cluster = await start(t, ['--workers', '1'], ['d1']);
  const halves = await Promise.all(Array.from({ length: 400 }, () => open(cluster.listen)));
  for (const half of halves) half.write('GET /bytes/4 HTTP/1.1\r\nHost: x\r\n');
  await cluster.untilStatus('all are under inspection', (status) => status.open === 400);
  const args = ['head', '--take-over', '--listen', cluster.listen, '--socket', cluster.socket];
  const few = ['--nofile=360:360', ...baton, ...args, '--workers', '1', '--max-connections', '8'];
  const { exitCode, stderr } = await execa('prlimit', few, { reject: false, stdin: 'ignore' });
  t.is(exitCode, 1, stderr);
  t.regex(stderr, /the limit on open files leaves no room for its sockets/);
  for (const half of halves) half.write('Connection: close\r\n\r\n');
  const answers = await Promise.all(halves.map((half) => text(half)));
  t.true(answers.every((answer) => answer.startsWith('HTTP/1.1 200 ')));
  t.is((await cluster.status()).pid, cluster.head.pid);
});

test.serial('what a successor cannot open of its own it says before it takes over', async (t) => {
  const cluster = await start(t, ['--workers', '1'], ['d1']);
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const metrics = await takeOver(cluster, '--metrics', `127.0.0.1:${port}`);
  const ended = await metrics.ended;
  t.is(ended.exitCode, 1);
  t.regex(ended.stderr, /--metrics/);
  taken.close();
  const secret = join(cluster.directory, 'secret');
  await writeFile(secret, 'x'.repeat(64), { mode: 0o600 });
  const remote = ['--control', '127.0.0.1:0', '--secret', secret, '--interface', 'none0'];
  const card = await (await takeOver(cluster, ...remote)).ended;
  t.is(card.exitCode, 1);
  t.regex(card.stderr, /none0|CAP_NET_ADMIN/);
  t.is((await cluster.status()).pid, cluster.head.pid);
  t.is((await visit(cluster.listen, '/bytes/4')).status, 200);
});

test.serial('upgrades while deliveries are restarted lose no visit', async (t) => {
  t.timeout(120_000);
  const cluster = await start(t, ['--workers', '2'], ['d1', 'd2']);
  let over = false;
  const visits = (async () => {
    const all = [];
    while (!over)
      all.push(
        ...(await visitSteadily(cluster.listen, '/bytes/4', { count: 25, perSecond: 50, timeoutMs: 30_000 })),
      );
    return all;
  })();
  const restarts = (async () => {
    let count = 0;
    for (; !over; count++) {
      const old = cluster.deliveries.findLast(({ name }) => name === (count % 2 === 0 ? 'd1' : 'd2'))!;
      await old.stop();
      await cluster.addDelivery(old.name);
    }
    return count;
  })();
  for (let round = 0; round < 4; round++) {
    const { pid } = await cluster.status();
    await upgradeHead(cluster.admin);
    await gone(pid);
    await delay(300);
  }
  over = true;
  t.true((await restarts) >= 2);
  t.deepEqual(failed(await visits), []);
});
