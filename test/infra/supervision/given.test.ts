/** Sockets that a head is started with, and what else may stand in their place. */
import { openSync } from 'node:fs';
import test from 'ava';
import { takeGivenSockets } from '../../../infra/supervision/given.ts';
import { Keeping } from '../../../infra/supervision/keeping.ts';
import { watchOver } from '../../../infra/supervision/watchdog.ts';
import { BatonError } from '../../../shared/errors.ts';
import { closeFd } from '../../../shared/sys/sockets.ts';
import { seqpacketPair } from '../../../shared/sys/unix-sockets.ts';

/** fds 3 and on are this process's own here: nothing but their close-on-exec flag is touched. */
const take = (env: Record<string, string>) =>
  takeGivenSockets({ env, pid: 10 }).map(({ kind, index, fd, isKept }) => [kind, index, fd, isKept]);

test('each is known by its name, in whatever order they come', (t) => {
  const env = {
    LISTEN_PID: '10',
    LISTEN_FDS: '5',
    LISTEN_FDNAMES: 'worker:admin:deliveries:worker:control',
    PATH: '/',
  };
  t.deepEqual(take(env), [
    ['worker', 0, 3, false],
    ['admin', 0, 4, false],
    ['deliveries', 0, 5, false],
    ['worker', 1, 6, false],
    ['control', 0, 7, false],
  ]);
  t.deepEqual(env as object, { PATH: '/' }, 'a child would take them for its own');
});

test('those that were kept come behind those that are given each time, by their numbers', (t) => {
  const names = 'kept-worker-11:kept-worker-2:worker:kept-metrics-0';
  t.deepEqual(take({ BATON_KEEPER_PID: '9', LISTEN_FDS: '4', LISTEN_FDNAMES: names }), [
    ['worker', 0, 5, false],
    ['metrics', 0, 6, true],
    ['worker', 1, 4, true],
    ['worker', 2, 3, true],
  ]);
});

test('what is meant for another process is none of ours', (t) => {
  for (const env of [
    { LISTEN_PID: '11', LISTEN_FDS: '1', LISTEN_FDNAMES: 'worker' },
    { LISTEN_PID: '010', LISTEN_FDS: '1', LISTEN_FDNAMES: 'worker' },
    { LISTEN_PID: '11', BATON_KEEPER_PID: '9', LISTEN_FDS: '1', LISTEN_FDNAMES: 'worker' },
    { LISTEN_FDS: '1', LISTEN_FDNAMES: 'worker' },
    { LISTEN_PID: '10', LISTEN_FDS: '0' },
    { LISTEN_PID: '10' },
    {},
  ] as Record<string, string>[]) {
    t.deepEqual(take(env), []);
    t.deepEqual(env, {});
  }
});

test('too many, none that is open, and names that say nothing are refused in one line', (t) => {
  for (const [count, names, problem] of [
    ['1000', 'worker', /1000 of sockets: at most/],
    ['99999999999', '', /unknown number/],
    ['-1', '', /unknown number/],
    ['1e2', '', /unknown number/],
    ['2', 'worker', /fd 4 \(""\): FileDescriptorName= says.*worker, deliveries, admin, control, metrics/],
    ['1', 'baton-head.socket', /"baton-head.socket"/],
    ['1', 'kept-future-0', /"kept-future-0"/],
    ['1', 'connection', /"connection"/],
    ['1', '\u001b[31m', /fd 3/],
  ] as const) {
    const error = t.throws(() => take({ LISTEN_PID: '10', LISTEN_FDS: count, LISTEN_FDNAMES: names }), {
      instanceOf: BatonError,
      message: problem,
    });
    t.is(error.code, 'INHERITED_UNUSABLE');
    t.false(error.message.includes('\n') || error.message.includes('\u001b'));
  }
  // No process of a test has so many open.
  t.throws(() => take({ LISTEN_PID: '10', LISTEN_FDS: '130', LISTEN_FDNAMES: 'worker:'.repeat(130) }), {
    message: /is not open/,
  });
});

test('a manager keeps what a head listens with: no more, nothing twice, and nothing that is of no use any more', (t) => {
  const told: string[] = [];
  const manager = {
    keep: (name: string, fd: number) => void told.push(`keep ${name} ${fd}`),
    forget: (name: string) => void told.push(`forget ${name}`),
  };
  const fds = [...seqpacketPair(), ...seqpacketPair(), openSync('/dev/null', 'r')];
  t.teardown(() => fds.forEach(closeFd));
  const [a, b, c, d] = fds as [number, number, number, number];
  const given = [
    { kind: 'worker', index: 0, fd: a, name: 'worker', isKept: false },
    { kind: 'worker', index: 1, fd: b, name: 'kept-worker-1', isKept: true },
    { kind: 'metrics', index: 0, fd: c, name: 'kept-metrics-0', isKept: true },
  ] as const;
  const keeping = new Keeping(manager, given);
  const sockets = [
    { kind: 'worker', index: 0, fd: a },
    { kind: 'worker', index: 1, fd: b },
    { kind: 'admin', index: 0, fd: d },
  ] as const;
  keeping.keep(sockets);
  t.deepEqual(told.splice(0), ['forget kept-metrics-0', `keep kept-admin-0 ${d}`]);
  keeping.keep(sockets);
  t.deepEqual(told.splice(0), []);
  keeping.keep([...sockets.slice(0, 2), { kind: 'admin', index: 0, fd: c }]);
  t.deepEqual(told.splice(0), ['forget kept-admin-0', `keep kept-admin-0 ${c}`]);
});

test('the watchdog is told at half of its time, where it is ours and asks for something sensible', async (t) => {
  const { promise, resolve } = Promise.withResolvers<string>();
  watchOver({ say: resolve }, () => true, {
    env: { WATCHDOG_USEC: '200000', WATCHDOG_PID: '10' },
    pid: 10,
  });
  // The interval keeps nobody alive.
  const alive = setTimeout(() => {}, 60_000);
  t.is(await promise, 'WATCHDOG=1');
  clearTimeout(alive);
  const never = { say: () => t.fail() };
  const others: readonly Record<string, string>[] = [
    {},
    { WATCHDOG_USEC: '200000', WATCHDOG_PID: '11' },
    { WATCHDOG_USEC: '0' },
    { WATCHDOG_USEC: 'x' },
    { WATCHDOG_USEC: '-5' },
  ];
  watchOver(never, () => false, { env: { WATCHDOG_USEC: '200000' }, pid: 10 });
  for (const env of others) watchOver(never, () => true, { env, pid: 10 });
});
