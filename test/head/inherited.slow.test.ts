/** A head that begins with sockets that it was given. */
import { readdirSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { type Head, startHead } from '../../head/index.ts';
import { Inherited, type InheritedSocket } from '../../head/inherited.ts';
import { getStatus } from '../../infra/admin-client.ts';
import { BatonError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';
import { bindReuseport } from '../../shared/sys/reuseport.ts';
import { closeFd, duplicateFd, isListening, listen } from '../../shared/sys/sockets.ts';
import { listenUnix } from '../../shared/sys/unix-sockets.ts';
import { formatHostPort, type HostPort } from '../../shared/units.ts';

const log = { info() {}, warn() {}, error() {} } as unknown as Logger;

async function sockets(t: ExecutionContext, workers: number) {
  const folder = await mkdtemp(join(tmpdir(), 'baton-inherited-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const { fds, bound } = await bindReuseport({ host: '127.0.0.1', port: 0 }, workers);
  for (const fd of fds) listen(fd, 16);
  const metrics = await bindReuseport({ host: '127.0.0.1', port: 0 }, 1);
  const socket = join(folder, 'head.sock');
  const given: InheritedSocket[] = [
    // In no order.
    ...fds.map((fd, index) => ({ kind: 'worker', index, fd }) as const).reverse(),
    { kind: 'deliveries', index: 0, fd: listenUnix(socket, 'seqpacket', 8) },
    { kind: 'admin', index: 0, fd: listenUnix(`${socket}.admin`, 'stream', 8) },
    { kind: 'metrics', index: 0, fd: metrics.fds[0]! },
  ];
  const settings = {
    listen: formatHostPort(bound),
    socket,
    adminSocket: `${socket}.admin`,
    metrics: formatHostPort(metrics.bound),
    mode: 'created',
    firstDeliveryWithin: 0,
  };
  return { given, settings, bound };
}

/** What an fd leads to, which is nobody else's as long as it is open; the fd's number may be another's as soon as it is closed. */
const leadsTo = (fd: number | string): string | undefined => {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
};

/** The fds of this process, all threads, that lead to one of these sockets. */
const countOf = (sockets: ReadonlySet<string | undefined>): number =>
  readdirSync('/proc/self/fd').filter((fd) => sockets.has(leadsTo(fd) ?? '')).length;

/** What the head answers to somebody who asks at this address. */
async function ask({ host, port }: HostPort): Promise<string> {
  const socket = connect(port, host);
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  return await text(socket);
}

async function start(t: ExecutionContext, ...how: Parameters<typeof startHead>): Promise<Head> {
  const head = await startHead(...how);
  t.teardown(() => head.stop());
  return head;
}

test('a head goes on with the sockets that it is given, and opens none in their place', async (t) => {
  const { given, settings, bound } = await sockets(t, 2);
  const early = connect(bound.port, bound.host);
  early.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const head = await start(t, { ...settings, workers: 2 }, { log, inherited: new Inherited(given) });
  t.regex(await text(early), /^HTTP\/1\.1 503 /);
  t.is(head.listen, settings.listen);
  t.is(head.metrics, settings.metrics);
  t.is((await getStatus(head.admin)).accepted, 1);
  const metrics = await fetch(`http://${settings.metrics}/metrics`);
  t.regex(await metrics.text(), /^baton_connections_accepted_total 1$/m);
});

test('more workers than listeners open the others; fewer have several each, and every queue is emptied', async (t) => {
  for (const [listeners, workers] of [
    [1, 3],
    [4, 2],
    [3, 1],
  ] as const) {
    const { given, settings, bound } = await sockets(t, listeners);
    // Enough for each queue to have some.
    const early = Array.from({ length: 24 }, () => ask(bound));
    const head = await start(t, { ...settings, workers }, { log, inherited: new Inherited(given) });
    for (const answer of await Promise.all(early)) t.regex(answer, /^HTTP\/1\.1 503 /);
    for (let i = 0; i < 12; i++) t.regex(await ask(bound), /^HTTP\/1\.1 503 /);
    const status = head.status();
    t.is(status.accepted, 36);
    t.is(status.listeners.length, Math.max(listeners, workers));
    t.true(status.listeners.every(({ worker }) => worker < workers));
  }
});

test('sockets of another address, path, type or none at all are refused in one line, and closed', async (t) => {
  const { given, settings } = await sockets(t, 1);
  const other = await bindReuseport({ host: '127.0.0.1', port: 0 }, 2);
  const silent = other.fds[1]!;
  const [worker, deliveries, ...rest] = given as [InheritedSocket, InheritedSocket];
  const refusals: readonly [Record<string, unknown>, InheritedSocket[], RegExp][] = [
    [{ listen: '127.0.0.9:0' }, given, /listens at 127\.0\.0\.1:\d+; a listener keeps its address.*--listen/],
    [{ listen: formatHostPort(other.bound) }, given, /--listen/],
    [{ socket: `${settings.socket}.other` }, given, /keeps its path, so give that to --socket/],
    [{ adminSocket: `${settings.socket}.other` }, given, /keeps its path, so give that to --admin-socket/],
    [{}, [{ ...worker, fd: silent }, deliveries, ...rest], /is no TCP socket that listens/],
    [{}, [worker, { ...deliveries, fd: given[2]!.fd }, ...rest], /no Unix socket of type seqpacket/],
  ];
  for (const [changed, sockets, message] of refusals) {
    const these = new Set(sockets.map(({ fd }) => leadsTo(fd)));
    const before = countOf(these);
    const copies = sockets.map((socket) => ({ ...socket, fd: duplicateFd(socket.fd) }));
    t.is(countOf(these), before + copies.length);
    await t.throwsAsync(
      startHead({ ...settings, ...changed }, { log, inherited: new Inherited(copies) }),
      { instanceOf: BatonError, code: 'INHERITED_UNUSABLE', message },
      String(message),
    );
    t.is(countOf(these), before);
  }
  // It has left alone what others have copies of.
  for (const { fd } of given) t.true(isListening(fd));
  for (const { fd } of given) closeFd(fd);
  other.fds.forEach(closeFd);
});

test('two sockets for the same are one too many', async (t) => {
  const { given } = await sockets(t, 1);
  const twice = [...given, { ...given[0]!, fd: duplicateFd(given[0]!.fd) }];
  const these = new Set(twice.map(({ fd }) => leadsTo(fd)));
  t.is(countOf(these), twice.length);
  t.throws(() => new Inherited(twice), { message: /two of them are for the same/ });
  t.is(countOf(these), 0);
});
