/** A keeper that is told to stop, or killed, in whatever state its head is. */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { getStatus } from '../../../infra/admin-client.ts';
import { startKeeper } from '../../support/keeper.ts';
import {
  addDelivery,
  childOf,
  foldersOf,
  isRefused,
  isRunning,
  kill,
  untilHeld,
  untilLogged,
} from '../../support/kept.ts';
import { visit } from '../../support/load.ts';
import { open, sendOn } from '../../support/raw-client.ts';
import { until } from '../../support/until.ts';

test.serial('a keeper that is told to stop has its head drain, in whatever state both are', async (t) => {
  const config = join(tmpdir(), `baton-kept-ends-${process.pid}.json`);
  writeFileSync(config, '{}');
  // While the head starts.
  const early = await startKeeper(t);
  await until(
    'a head starts',
    () => childOf(early.pid),
    (found) => found !== undefined,
  );
  early.signal('SIGTERM');
  t.true(
    [0, 1, 'SIGTERM'].includes(await early.ended),
    'a head that does not listen to signals yet has nothing to drain',
  );
  t.is(childOf(early.pid), undefined);
  // While a request is under way.
  const kept = await startKeeper(t, ['--config', config]);
  const { listen, pid } = await kept.untilReady(1);
  await addDelivery(t, kept, 'd1');
  const client = await open(listen);
  client.write('GET /bytes/10 HTTP/1.1\r\nHost: a\r\n');
  await untilHeld(kept.heads[0]!.admin);
  kept.signal('SIGALRM');
  await untilLogged(kept, 'nobody else can come', 'the head stops');
  t.is((await sendOn(client, 'Connection: close\r\n\r\n', { timeoutMs: 30_000 })).status, 200);
  t.is(await kept.ended, 0);
  t.false(isRunning(pid));
  t.true(await isRefused(listen));
  // While it waits before it starts the next one.
  const later = await startKeeper(t, ['--config', config]);
  const second = await later.untilReady(1);
  writeFileSync(config, '[]');
  kill(second.pid);
  await until(
    'it waits',
    () => later.log(),
    (log) => /starts in [48]00 ms/.test(log),
    60_000,
  );
  later.signal('SIGTERM');
  t.true([0, 2].includes((await later.ended) as number));
  t.true(await isRefused(second.listen));
});

test.serial(
  'signals: twice ends at once, SIGHUP reads again, and a head that is told itself ends both',
  async (t) => {
    const config = join(tmpdir(), `baton-kept-ends-${process.pid}.json`);
    writeFileSync(config, '{}');
    const kept = await startKeeper(t, ['--config', config]);
    const { admin, listen, pid } = await kept.untilReady(1);
    writeFileSync(config, '{"policy": "weighted", "stopTimeout": "60s"}');
    kept.signal('SIGHUP');
    await until(
      'it is in force',
      () => getStatus(admin),
      ({ policy }) => policy === 'weighted',
    );
    const client = await open(listen);
    client.on('error', () => {});
    client.write('GET / HT');
    await untilHeld(admin);
    kept.signal('SIGTERM');
    await untilLogged(kept, 'the head stops', 'the head stops');
    kept.signal('SIGINT');
    t.is(await kept.ended, 1);
    t.false(isRunning(pid));
    const other = await startKeeper(t);
    kill((await other.untilReady(1)).pid, 'SIGTERM');
    t.is(await other.ended, 0);
  },
);

test.serial(
  'a keeper that is killed takes no head along, and the next keeper takes no address away',
  async (t) => {
    // While the head starts.
    const early = await startKeeper(t);
    const pid = await until(
      'a head starts',
      () => childOf(early.pid),
      (found) => found !== undefined,
    );
    early.signal('SIGKILL');
    t.is(await early.ended, 'SIGKILL');
    const alone = await early.untilReady(1);
    t.is(alone.pid, pid!);
    await addDelivery(t, early, 'd1');
    t.is((await visit(alone.listen, '/bytes/10')).status, 200);
    kill(alone.pid, 'SIGTERM');
    await until(
      'it has ended',
      () => isRunning(alone.pid),
      (is) => !is,
    );
    t.true(await isRefused(alone.listen));
    // While the head serves.
    const kept = await startKeeper(t);
    const { listen, pid: head } = await kept.untilReady(1);
    await addDelivery(t, kept, 'd1');
    kept.signal('SIGKILL');
    await kept.ended;
    await until(
      'it says so',
      () => kept.log(),
      (log) => log.includes('nobody starts another one'),
      30_000,
    );
    t.is((await visit(listen, '/bytes/10')).status, 200);
    t.is(foldersOf(kept).length, 1);
    const next = await startKeeper(t, ['--listen', listen]);
    t.is(await next.ended, 1);
    await until('it says why', next.log, (log) => log.includes('already taken by another program'));
    t.deepEqual(foldersOf(kept), [], 'what the dead one has left is cleared away');
    t.is((await visit(listen, '/bytes/10')).status, 200);
    kill(head, 'SIGTERM');
    await until(
      'it has ended',
      () => isRunning(head),
      (is) => !is,
    );
    // While it waits before it starts the next one.
    const config = join(tmpdir(), `baton-kept-ends-${process.pid}.json`);
    writeFileSync(config, '{}');
    const later = await startKeeper(t, ['--config', config]);
    const second = await later.untilReady(1);
    writeFileSync(config, '[]');
    kill(second.pid);
    await until(
      'it waits',
      () => later.log(),
      (log) => /starts in 400 ms/.test(log),
      60_000,
    );
    later.signal('SIGKILL');
    await later.ended;
    await until(
      'nobody listens',
      () => isRefused(second.listen),
      (is) => is,
    );
  },
);
