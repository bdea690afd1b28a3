/** A head that dies under its keeper, in every way that comes to mind, and a keeper that dies over its head. */
import { statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { getStatus } from '../../../infra/admin-client.ts';
import { startKeeper } from '../../support/keeper.ts';
import { addDelivery, childOf, foldersOf, isRefused, isRunning, kill } from '../../support/kept.ts';
import { failed, visit, visitSteadily } from '../../support/load.ts';
import { until } from '../../support/until.ts';

test.serial('heads that are killed one after the other cost nobody who was not accepted yet', async (t) => {
  const kept = await startKeeper(t);
  const { listen, admin } = await kept.untilReady(1);
  for (const name of ['d1', 'd2']) await addDelivery(t, kept, name);
  for (let n = 1; n <= 3; n++) {
    const { pid } = await kept.untilReady(n);
    const file = statSync(kept.socket).ino;
    const visiting = visitSteadily(listen, '/bytes/10', { count: 300, perSecond: 150, timeoutMs: 60_000 });
    await until(
      'visits are served',
      () => getStatus(admin),
      ({ accepted }) => accepted > 50,
    );
    const killedAt = performance.now();
    kill(pid);
    const visits = await visiting;
    const refused = visits.filter(({ error }) => error.includes('ECONNREFUSED'));
    t.deepEqual(refused, []);
    // Those that had been accepted when their head was killed came just before, and ended with it.
    const late = failed(visits).filter(({ beganAt, millis }) => beganAt > killedAt || millis > 30_000);
    t.deepEqual(late, []);
    // How many that is depends on how long an answer takes, which a busy machine says.
    const early = failed(visits).filter(({ beganAt, millis }) => beganAt + millis < killedAt);
    t.deepEqual(early, []);
    // One socket for all of them: no delivery had to find another.
    t.is(statSync(kept.socket).ino, file);
  }
  const { deliveries } = await getStatus(admin);
  t.deepEqual(deliveries.map(({ name, state }) => [name, state]).sort(), [
    ['d1', 'up'],
    ['d2', 'up'],
  ]);
  kept.signal('SIGTERM');
  t.is(await kept.ended, 0);
  t.true(await isRefused(listen));
  t.deepEqual(foldersOf(kept), []);
});

test.serial(
  'a head that is killed while it starts, or lets deliveries in, is followed by the next',
  async (t) => {
    const kept = await startKeeper(t);
    const first = await kept.untilReady(1);
    await addDelivery(t, kept, 'd1');
    kill(first.pid);
    // As soon as it has come so far, whatever that is; the next one comes after a longer while each time.
    for (const [n, afterMs] of [30, 120, 250].entries()) {
      const children = await until(
        'the next one runs',
        () => kept.log().split('the next one starts').length - 1,
        (count) => count > n,
      );
      t.is(children, n + 1);
      const pid = await until(
        'it has a pid',
        () => childOf(kept.pid),
        (found) => found !== undefined,
      );
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      kill(pid!);
      await until(
        'it is gone',
        () => isRunning(pid!),
        (is) => !is,
      );
    }
    t.is((await visit(first.listen, '/bytes/10', 60_000)).status, 200);
    kept.signal('SIGINT');
    t.is(await kept.ended, 0);
  },
);

test.serial('a head that could never start ends its keeper with its own words and exit code', async (t) => {
  for (const [options, code, words] of [
    [['--policy', 'none'], 2, /--policy: the policies are/],
    [['--nonsense'], 2, /unknown option/],
    [['--listen', '203.0.113.1:1'], 1, /not an address of this machine/],
  ] as const) {
    const kept = await startKeeper(t, options);
    t.is(await kept.ended, code);
    const last = /ended before it was ready \(exit code \d\): it is not started again/;
    await until('all is said', kept.log, (log) => words.test(log) && last.test(log));
    t.is(kept.heads.length, 0);
    t.deepEqual(foldersOf(kept), []);
  }
});

test.serial(
  'a head that dies again and again is tried later and later; mended, it serves those who have waited',
  async (t) => {
    const config = join(tmpdir(), `baton-kept-${process.pid}.json`);
    writeFileSync(config, '{}');
    const kept = await startKeeper(t, ['--config', config]);
    const { listen, pid } = await kept.untilReady(1);
    await addDelivery(t, kept, 'd1');
    writeFileSync(config, '{"policy": ');
    kill(pid);
    const waiting = visit(listen, '/bytes/10', 60_000);
    const died = () => [...kept.log().matchAll(/has died \(exit code 2\); the next one starts in (\d+) ms/g)];
    const waits = await until('it has died', died, (found) => found.length >= 3, 60_000);
    t.deepEqual(
      waits.slice(0, 3).map(([, ms]) => Number(ms)),
      [100, 200, 400],
    );
    writeFileSync(config, '{}');
    t.is((await waiting).status, 200);
    await kept.untilReady(2);
    kept.signal('SIGTERM');
    t.is(await kept.ended, 0);
  },
);

test.serial(
  'a head whose settings have changed meanwhile opens anew what is for something else now',
  async (t) => {
    const config = join(tmpdir(), `baton-kept-${process.pid}.json`);
    writeFileSync(config, '{"metrics": "127.0.0.1:0"}');
    const kept = await startKeeper(t, ['--config', config]);
    const first = await kept.untilReady(1);
    await addDelivery(t, kept, 'd1');
    writeFileSync(config, JSON.stringify({ adminSocket: join(kept.folder, 'other.sock') }));
    kill(first.pid);
    const second = await kept.untilReady(2);
    t.is(second.listen, first.listen);
    t.is(second.admin, join(kept.folder, 'other.sock'));
    t.is((await visit(second.listen, '/bytes/10')).status, 200);
    t.is((await getStatus(second.admin)).pid, second.pid);
    const before = (first as unknown as { metrics: string }).metrics;
    await until(
      'nobody waits for metrics that nobody gives',
      () => isRefused(before),
      (is) => is,
    );
    kept.signal('SIGTERM');
    t.is(await kept.ended, 0);
  },
);
