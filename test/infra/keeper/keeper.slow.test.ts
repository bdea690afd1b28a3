/** A head that dies under its keeper, in every way that comes to mind, and a keeper that dies over its head. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { getStatus } from '../../../infra/admin-client.ts';
import { parseHostPort } from '../../../shared/units.ts';
import { type KeptHead, startKeeper } from '../../support/keeper.ts';
import { failed, visit, visitSteadily } from '../../support/load.ts';
import { open, sendOn } from '../../support/raw-client.ts';
import { spawnBaton } from '../../support/spawn.ts';
import { until } from '../../support/until.ts';

const addDelivery = (t: ExecutionContext, kept: KeptHead, name: string) =>
  spawnBaton(t, 'delivery', '--name', name, '--head', kept.socket);

const kill = (pid: number, signal: NodeJS.Signals = 'SIGKILL'): void => void process.kill(pid, signal);

const isRunning = (pid: number): boolean => existsSync(`/proc/${pid}`);

/** Whether anybody listens there. */
function isRefused(address: string): Promise<boolean> {
  const { host, port } = parseHostPort(address)!;
  return new Promise((resolve) => {
    const socket = connect(port, host, () => {
      resolve(false);
      socket.destroy();
    });
    socket.on('error', () => resolve(true));
  });
}

/** Half a request is under inspection. */
const untilHeld = (admin: string) =>
  until(
    'it is held',
    () => getStatus(admin),
    ({ open }) => open === 1,
  );

const untilLogged = (kept: Pick<KeptHead, 'log'>, what: string, words: string) =>
  until(
    what,
    () => kept.log(),
    (log) => log.includes(words),
  );

/** The folder of its socket. */
const foldersOf = ({ pid }: KeptHead): string[] =>
  readdirSync(tmpdir()).filter((name) => name.startsWith(`baton-keeper-${pid}-`));

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
    t.true(failed(visits).length <= 15, `${failed(visits).length} failed`);
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

/** The only child that a keeper has (proc_pid_task(5), children). */
function childOf(pid: number): number | undefined {
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    return child ? Number(child) : undefined;
  } catch {
    return undefined;
  }
}

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

test.serial('a keeper that is told to stop has its head drain, in whatever state both are', async (t) => {
  const config = join(tmpdir(), `baton-kept-${process.pid}.json`);
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
    const config = join(tmpdir(), `baton-kept-${process.pid}.json`);
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
    const config = join(tmpdir(), `baton-kept-${process.pid}.json`);
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
