/** A head that stands still, all of it or one thread, is ended by its keeper and started again; one that is busy, or waits, is not. */
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { getStatus, upgradeHead } from '../../../infra/admin-client.ts';
import { type KeptHead, startKeeper } from '../../support/keeper.ts';
import { failed, visit, visitSteadily } from '../../support/load.ts';
import { spawnBaton } from '../../support/spawn.ts';
import { stopThread, threadCalled } from '../../support/stop-thread.ts';
import { until } from '../../support/until.ts';

const WATCHDOG_MS = 4000;

async function start(t: ExecutionContext): Promise<KeptHead & { listen: string; admin: string }> {
  const kept = await startKeeper(t, [], { keeper: ['--watchdog', `${WATCHDOG_MS}ms`] });
  const { listen, admin } = await kept.untilReady(1);
  await spawnBaton(t, 'delivery', '--name', 'd1', '--head', kept.socket);
  return { ...kept, listen, admin };
}

const untilAnother = async (admin: string, than: number): Promise<number> =>
  until(
    'another head runs',
    () =>
      getStatus(admin).then(
        ({ pid }) => pid,
        () => than,
      ),
    (pid) => pid !== than,
    60_000,
  );

test.serial(
  'a head that is stopped is followed by another, and who comes meanwhile is served by that',
  async (t) => {
    t.timeout(120_000);
    const kept = await start(t);
    const { pid } = kept.heads[0]!;
    process.kill(pid, 'SIGSTOP');
    const visits = visitSteadily(kept.listen, '/bytes/10', { count: 40, perSecond: 20, timeoutMs: 60_000 });
    await kept.untilReady(2);
    t.deepEqual(failed(await visits), []);
    t.regex(
      kept.log(),
      new RegExp(`"headPid":${pid},"msg":"the head stands still: not a word of it for 4 s`),
    );
  },
);

test.serial('a worker that stands still is told of, and ends its head', async (t) => {
  t.timeout(120_000);
  const kept = await start(t);
  const { pid } = kept.heads[0]!;
  t.teardown(await stopThread(threadCalled(pid, 'acceptor 1')));
  await kept.untilReady(2);
  t.regex(kept.log(), /"worker":1,"msg":"a worker stands still"/);
  t.is((await visit(kept.listen, '/bytes/10', 60_000)).status, 200);
});

test.serial(
  'a keeper that was stopped itself, a stop that is short, and an upgrade end nobody',
  async (t) => {
    t.timeout(120_000);
    const kept = await start(t);
    const { pid } = kept.heads[0]!;
    kept.signal('SIGSTOP');
    process.kill(pid, 'SIGSTOP');
    await delay(WATCHDOG_MS * 1.5);
    kept.signal('SIGCONT');
    process.kill(pid, 'SIGCONT');
    await delay(WATCHDOG_MS);
    process.kill(pid, 'SIGSTOP');
    await delay(WATCHDOG_MS / 4);
    process.kill(pid, 'SIGCONT');
    t.is((await getStatus(kept.admin)).pid, pid);
    await upgradeHead(kept.admin);
    const successor = await untilAnother(kept.admin, pid);
    await delay(WATCHDOG_MS * 1.5);
    t.is((await getStatus(kept.admin)).pid, successor);
    t.notRegex(kept.log(), /stands still/);
    // And the successor is watched as well.
    process.kill(successor, 'SIGSTOP');
    const third = await untilAnother(kept.admin, successor);
    t.is((await visit(kept.listen, '/bytes/10', 60_000)).status, 200);
    // The keeper's own child again.
    t.is(third, kept.heads.at(-1)!.pid);
  },
);

test.serial(
  'a successor that somebody has started by hand is followed, although it says nothing to the keeper',
  async (t) => {
    t.timeout(120_000);
    const kept = await start(t);
    const { pid } = kept.heads[0]!;
    const byHand = await spawnBaton(
      t,
      'head',
      '--take-over',
      '--listen',
      kept.listen,
      '--socket',
      kept.socket,
    );
    await until(
      'it is followed',
      () => kept.log(),
      (log) => log.includes('the head has a successor'),
    );
    await delay(WATCHDOG_MS * 1.5);
    t.is((await getStatus(kept.admin)).pid, byHand.pid);
    t.is(kept.heads.length, 1);
    t.not(byHand.pid, pid);
    byHand.signal('SIGKILL');
    await kept.untilReady(2);
    t.is((await visit(kept.listen, '/bytes/10', 60_000)).status, 200);
  },
);
