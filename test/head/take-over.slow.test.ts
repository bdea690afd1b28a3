/** A head that hands over to its successor: whoever dies, freezes, lies or comes twice, and at which step, no visit is lost. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { WebSocket } from 'ws';
import { askToTakeOver } from '../../head/take-over/successor.ts';
import { getStatus, upgradeHead } from '../../infra/admin-client.ts';
import { baton } from '../../infra/lab/service.ts';
import { allocate } from '../../shared/sys/memory.ts';
import { closeFd, isListening, write } from '../../shared/sys/sockets.ts';
import { failed, visit, visitSteadily } from '../support/load.ts';
import { open } from '../support/raw-client.ts';
import { askRaw, question, RogueSuccessor } from '../support/rogue-successor.ts';
import { gone, startReplaceable as start, takeOver } from '../support/take-over.ts';
import { until } from '../support/until.ts';

/** False when nothing more comes. */
function hears(socket: Socket): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const [onData, onEnd] = [() => resolve(true), () => resolve(false)];
  socket.on('data', onData).on('close', onEnd).on('error', onEnd);
  return promise.finally(() => socket.off('data', onData).off('close', onEnd).off('error', onEnd));
}

test('visits, keep-alive connections, WebSockets and half-sent heads through ten upgrades, with 1, 4 and 2 workers', async (t) => {
  t.timeout(180_000);
  const cluster = await start(t);
  let over = false;
  const visits = (async () => {
    const all = [];
    while (!over)
      all.push(...(await visitSteadily(cluster.listen, '/bytes/10', { count: 50, perSecond: 100 })));
    return all;
  })();
  const keptAlive = Array.from({ length: 10 }, async () => {
    const socket = await open(cluster.listen);
    let answers = 0;
    while (!over && !socket.destroyed) {
      socket.write('GET /bytes/5 HTTP/1.1\r\nHost: x\r\n\r\n');
      if (!(await hears(socket))) break;
      answers++;
      await delay(50);
    }
    socket.destroy();
    return { isWhole: over, answers };
  });
  const webSockets = Array.from({ length: 5 }, async () => {
    const socket = new WebSocket(`ws://${cluster.listen}/`);
    await once(socket, 'open');
    let echoes = 0;
    while (!over) {
      socket.send(`message ${echoes}`);
      const [data] = (await once(socket, 'message')) as [Buffer];
      if (data.toString() !== `message ${echoes}`) break;
      echoes++;
      await delay(50);
    }
    socket.terminate();
    return { isWhole: over, echoes };
  });
  // Each outlives an upgrade or two between its two halves.
  const halves = (async () => {
    const all = [];
    while (!over) {
      all.push(
        (async () => {
          const socket = await open(cluster.listen);
          socket.write('GET /bytes/4 HTTP/1.1\r\nHost: x\r\nConn');
          await delay(1500);
          socket.write('ection: close\r\n\r\n');
          const chunks: Buffer[] = [];
          for await (const chunk of socket) chunks.push(chunk as Buffer);
          return Buffer.concat(chunks).toString('latin1').startsWith('HTTP/1.1 200 ');
        })().catch(() => false),
      );
      await delay(100);
    }
    return await Promise.all(all);
  })();
  const workers: number[] = [];
  for (let round = 0; round < 10; round++) {
    const before = (await cluster.status()).pid;
    const wanted = [1, 4, 2][round % 3]!;
    if (round < 6) {
      const successor = await takeOver(cluster, '--workers', String(wanted));
      await successor.taken;
    } else await upgradeHead(cluster.admin);
    await gone(before);
    const status = await cluster.untilStatus('both are there', ({ deliveries }) => deliveries.length === 2);
    workers.push(status.workers);
    t.is(status.listeners.length, round === 0 ? 1 : 4, 'no queue is lost');
  }
  over = true;
  t.deepEqual(workers, [1, 4, 2, 1, 4, 2, 2, 2, 2, 2]);
  t.deepEqual(failed(await visits), []);
  for (const { isWhole, answers } of await Promise.all(keptAlive)) t.true(isWhole && answers > 10);
  for (const { isWhole, echoes } of await Promise.all(webSockets)) t.true(isWhole && echoes > 10);
  const whole = await halves;
  t.true(
    whole.length > 10 && whole.every(Boolean),
    `${whole.filter((one) => !one).length} of ${whole.length}`,
  );
  // What was passed on has one outcome, and the last head has no more than it has accepted or been given.
  const status = await cluster.untilStatus(
    'nothing is open',
    ({ open: left, lingering }) => left + lingering === 0,
  );
  const outcomes = [...Object.values(status.outcomes), status.inspectionFailures].flatMap(
    Object.values,
  ) as number[];
  t.is(
    outcomes.reduce((sum, n) => sum + n, 0),
    status.accepted,
  );
});

const states = ['asked', 'heard of its sockets', 'ready', 'handed'] as const;

async function bringTo(rogue: RogueSuccessor, state: (typeof states)[number]): Promise<void> {
  if (state === 'asked') return;
  await rogue.hear('sockets');
  if (state === 'heard of its sockets') return;
  await rogue.say('ready');
  if (state === 'handed') await rogue.hear('handed');
}

test('a successor that dies, at whichever step, leaves the head as it was', async (t) => {
  const cluster = await start(t);
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
  const cluster = await start(t);
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
  const cluster = await start(t);
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

test('garbage, another version, a second successor and the end of the head while one warms up', async (t) => {
  const cluster = await start(t);
  for (const [versions, said] of [
    ['baton-take-over/2', /409.*speaks version 1 of the take-over, and not 2/s],
    ['baton-take-over/0, websocket', /409.*speaks version 1/s],
    ['x'.repeat(4000), /409.*and not what was asked for/s],
  ] as const) {
    t.regex((await askRaw(cluster.admin, question(versions))).text, said);
  }
  t.is((await askRaw(cluster.admin, question().replace('/take-over', '/other'))).text, '');
  // A later release offers its own version and this one.
  const rogue = await askRaw(cluster.admin, question('baton-take-over/2, baton-take-over/1'));
  t.regex(rogue.text, /Upgrade: baton-take-over\/1\r\n/);
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
  await gone(cluster.head.pid);
  last!.die();
});

test('a head that dies while its successor warms up, or hands over, is succeeded all the same', async (t) => {
  for (const state of ['warming', 'ready'] as const) {
    const cluster = await start(t);
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
  }
});

test('a real head is succeeded by a real one although it is killed meanwhile, and nobody is refused', async (t) => {
  const cluster = await start(t);
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
  const cluster = await start(t, [
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
  const slow = await open(cluster.listen);
  const began = performance.now();
  slow.write('GET / HT');
  await cluster.untilStatus('both are there', (status) => status.open === 1 && status.lingering === 1);
  // By now its deadline is another than that of one who comes.
  await delay(2000);
  await upgradeHead(cluster.admin);
  const upgraded = performance.now() - began;
  const status = await cluster.untilStatus('and there', (now) => now.open === 1 && now.lingering === 1);
  t.is(status.mode, 'redirect');
  t.is(status.accepted, 1);
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
  const [late] = (await once(slow, 'data')) as [Buffer];
  t.regex(late.toString('latin1'), /^HTTP\/1\.1 408 /);
  const waited = performance.now() - began;
  // It was accepted a little before that is known here.
  t.true(waited > 14_000 && waited < upgraded + 14_500, `its deadline is the one that it had: ${waited} ms`);
  lingering.end();
  slow.destroy();
  await cluster.untilStatus('nothing is left', (now) => now.open + now.lingering === 0);
});

test('what a frozen delivery had not taken is served by the successor', async (t) => {
  const cluster = await start(t, ['--workers', '1', '--stall-timeout', '60s'], ['frozen', 'other']);
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
  const { directory, ...cluster } = await start(t, ['--workers', '1'], ['d1']);
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
  const cluster = await start(t, ['--workers', '1', '--config', config], ['d1']);
  await writeFile(config, '{"backlog": "many"}');
  const failing = await execa(baton[0]!, [...baton.slice(1), 'upgrade', '--socket', cluster.socket], {
    reject: false,
  });
  t.is(failing.exitCode, 1);
  t.regex(failing.stderr, /was not taken over: its successor ended \(status 2\)/);
  t.is((await cluster.status()).pid, cluster.head.pid);
  t.is((await visit(cluster.listen, '/bytes/4')).status, 200);
});

test('a successor by hand says why it cannot, and another user may not', async (t) => {
  const cluster = await start(t, ['--workers', '1'], ['d1']);
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
