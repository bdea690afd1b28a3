/** A successor, or a head, that dies, freezes, lies or comes twice while one takes over, at which step ever: no visit is lost. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { askToTakeOver } from '../../head/take-over/successor.ts';
import { setMode, upgradeHead } from '../../infra/admin-client.ts';
import { allocate } from '../../shared/sys/memory.ts';
import { closeFd, isListening, write } from '../../shared/sys/sockets.ts';
import { failed, visit, visitSteadily } from '../support/load.ts';
import { open } from '../support/raw-client.ts';
import { askRaw, question, RogueSuccessor } from '../support/rogue-successor.ts';
import { until } from '../support/until.ts';
import { gone, startToUpgrade } from '../support/upgrades.ts';

const states = ['asked', 'heard of its sockets', 'ready', 'handed'] as const;

async function bringTo(rogue: RogueSuccessor, state: (typeof states)[number]): Promise<void> {
  if (state === 'asked') return;
  await rogue.hear('sockets');
  if (state === 'heard of its sockets') return;
  await rogue.say('ready');
  if (state === 'handed') await rogue.hear('handed');
}

test('a successor that dies, at whichever step, leaves the head as it was', async (t) => {
  const cluster = await startToUpgrade(t);
  for (const state of states) {
    const half = await open(cluster.listen);
    half.write('GET /bytes/4 HTTP/1.1\r\n');
    await cluster.untilStatus('it is under inspection', (status) => status.open === 1);
    const rogue = await RogueSuccessor.ask(cluster.admin);
    await bringTo(rogue, state);
    const visits = visitSteadily(cluster.listen, '/bytes/4', { count: 10, perSecond: 100 });
    rogue.die();
    half.end('Host: x\r\nConnection: close\r\n\r\n');
    const [answer] = (await once(half, 'data')) as [Buffer];
    t.regex(answer.toString('latin1'), /^HTTP\/1\.1 200 /, state);
    t.deepEqual(failed(await visits), [], state);
    half.destroy();
  }
  t.is((await cluster.status()).pid, cluster.head.pid);
  const { pid } = await upgradeHead(cluster.admin);
  t.not(pid, cluster.head.pid);
  t.is((await visit(cluster.listen, '/bytes/4')).status, 200);
});

test('a successor that freezes, at whichever step, is waited for as long as nobody else waits for it', async (t) => {
  const cluster = await startToUpgrade(t);
  for (const state of states) {
    const rogue = await RogueSuccessor.ask(cluster.admin);
    await bringTo(rogue, state);
    // Before it is ready the head serves; after that visitors wait for two seconds at most.
    t.deepEqual(
      failed(await visitSteadily(cluster.listen, '/bytes/4', { count: 5, perSecond: 50 })),
      [],
      state,
    );
    if (state === 'ready' || state === 'handed') {
      await rogue.hear('kept');
      // What it says now reaches nobody.
      await t.throwsAsync(rogue.say('confirmed'), { message: /went away/ }, state);
    } else {
      const { text } = await askRaw(cluster.admin, question());
      t.regex(text, /another one is about to take over/, state);
    }
    rogue.die();
    await until(
      'it may be asked again',
      () => askRaw(cluster.admin, question()),
      ({ fd }) => {
        if (fd !== undefined) closeFd(fd);
        return fd !== undefined;
      },
    );
    await until(
      'and again',
      () => askRaw(cluster.admin, 'GET /status HTTP/1.1\r\nHost: x\r\n\r\n'),
      ({ text }) => text.includes('200'),
    );
  }
  t.is((await cluster.status()).pid, cluster.head.pid);
});

test('a confirmation that comes in time counts, although the head was late to read it', async (t) => {
  const cluster = await startToUpgrade(t);
  const rogue = await RogueSuccessor.ask(cluster.admin);
  await bringTo(rogue, 'handed');
  await cluster.head.freeze!();
  await rogue.say('confirmed');
  await delay(2500);
  await cluster.head.resume!();
  await rogue.hear('done');
  await gone(cluster.head.pid);
  // Its sockets are the successor's now: they still listen, and a visitor waits.
  t.true(rogue.fds.some((fd) => isListening(fd)));
  const visitor = await open(cluster.listen);
  visitor.destroy();
  rogue.die();
});

test('the mode that is switched in the last moment is said at last, and nothing of it to one of the version before', async (t) => {
  for (const version of [2, 1]) {
    const cluster = await startToUpgrade(t, ['--workers', '1'], []);
    const rogue = await RogueSuccessor.ask(cluster.admin, `baton-take-over/${version}`);
    await rogue.hear('sockets');
    await rogue.say('ready');
    t.like(await rogue.hear('handed'), { mode: 'handoff' });
    await setMode(cluster.admin, 'redirect');
    await rogue.say('confirmed');
    t.deepEqual(await rogue.hear('done'), { type: 'done', ...(version === 2 && { mode: 'redirect' }) });
    await gone(cluster.head.pid);
    rogue.die();
  }
});

test('garbage, another version, a second successor and the end of the head while one warms up', async (t) => {
  const cluster = await startToUpgrade(t);
  for (const [versions, said] of [
    ['baton-take-over/3', /409.*speaks version 2, 1 of the take-over, and not 3/s],
    ['baton-take-over/0, websocket', /409.*speaks version 2, 1/s],
    ['x'.repeat(4000), /409.*and not what was asked for/s],
  ] as const) {
    t.regex((await askRaw(cluster.admin, question(versions))).text, said);
  }
  t.is((await askRaw(cluster.admin, question().replace('/take-over', '/other'))).text, '');
  // A later release offers its own version and this one.
  const rogue = await askRaw(cluster.admin, question('baton-take-over/3, baton-take-over/2'));
  t.regex(rogue.text, /Upgrade: baton-take-over\/2\r\n/);
  t.regex((await askRaw(cluster.admin, question())).text, /another one is about to take over/);
  await t.throwsAsync(upgradeHead(cluster.admin), { message: /another one is about to take over/ });
  closeFd(rogue.fd!);
  const memory = allocate(4096);
  for (const garbage of ['', 'x', '\x81\xa4type\xa9confirmed', '\x81\xa4type\xa4kept', 'x'.repeat(4000)]) {
    const other = await until(
      'it may be asked',
      () => askRaw(cluster.admin, question()),
      ({ fd }) => fd !== undefined,
    );
    const length = memory.bytes.write(garbage, 'latin1');
    write(other.fd!, memory, 0, length);
    t.is((await visit(cluster.listen, '/bytes/4')).status, 200);
    closeFd(other.fd!);
  }
  t.is((await cluster.status()).pid, cluster.head.pid);
  const last = await until(
    'it may be asked',
    () => RogueSuccessor.ask(cluster.admin).catch(() => undefined),
    Boolean,
  );
  await last!.hear('sockets');
  process.kill(cluster.head.pid, 'SIGTERM');
  const kept = await last!.hear('kept');
  t.regex((kept as { reason: string }).reason, /told to stop/);
  last!.die();
  await gone(cluster.head.pid);
});

test('a head that dies while its successor warms up, or hands over, is succeeded all the same', async (t) => {
  for (const state of ['warming', 'ready'] as const) {
    const cluster = await startToUpgrade(t);
    const half = await open(cluster.listen);
    half.on('error', () => {});
    half.write('GET / HTTP/1.1\r\n');
    await cluster.untilStatus('it is under inspection', (status) => status.open === 1);
    const successor = await askToTakeOver(cluster.admin);
    const listeners = await successor.inherited.open('worker', async (given) => given);
    if (state === 'ready') await cluster.head.freeze!();
    const handed = successor.complete();
    if (state === 'warming') handed.catch(() => {});
    await cluster.head.kill();
    const { connections, deliveries } = await handed;
    // It may have handed over all of it, or nothing.
    t.true(connections.length <= 1);
    if (state === 'ready') t.is(deliveries, undefined);
    const visitor = await open(cluster.listen);
    t.true(listeners.every(isListening), 'who comes waits in a queue that somebody has');
    visitor.on('error', () => {}).destroy();
    half.destroy();
    for (const fd of [...listeners, ...connections.map((one) => one.fd)]) closeFd(fd);
    await successor.abort(new Error('the test is over'));
    successor.close();
  }
});
