/**
 * What a delivery does when its head fails in the middle of a migration. This file is the head: it accepts and freezes a
 * real connection, gives it to a real delivery, and breaks off.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Service } from '../../../infra/lab/lab.ts';
import type { Network } from '../../../infra/lab/netns/network.ts';
import { baton } from '../../../infra/lab/service.ts';
import { EAGAIN } from '../../../shared/sys/libc.ts';
import { bindReuseport } from '../../../shared/sys/reuseport.ts';
import { acceptNonBlocking, closeFd, listen } from '../../../shared/sys/sockets.ts';
import { encodeSaved, type FrozenConnection, freeze, Refusal } from '../../../shared/tcp-repair/index.ts';
import { formatHostPort } from '../../../shared/units.ts';
import { type Link, listenForLinks } from '../../../shared/wire/remote/link.ts';
import { checkFromRemote, type FromRemote, type ToRemote } from '../../../shared/wire/remote/messages.ts';
import { enterNamespace } from '../../support/enter-namespace.ts';
import { asRoot, startNetwork } from '../../support/netns.ts';
import { until } from '../../support/until.ts';

const labTest = asRoot([], test.serial);
const secret = Buffer.from('a secret of a test, long enough');

interface Stage {
  readonly client: Socket;
  /** What the client has seen. */
  readonly seen: { text: string; error: string; ended: boolean };
  /** At the head. */
  readonly fd: number;
  readonly link: Link;
  readonly delivery: Service;
  say(message: ToRemote | object): void;
  next<T extends FromRemote['type']>(type: T): Promise<FromRemote & { type: T }>;
  /** Freezes the connection and offers it. */
  offer(withinMs: number): Promise<FrozenConnection>;
  /** The client's packets go to the delivery from now on. */
  steer(): Promise<void>;
}

let network: Network;
/** Of its own for each test: a child that starts right now may have a copy of a socket that has been closed. */
let port = 8080;
const undo: (() => Promise<void>)[] = [];
labTest('a network of one delivery host', async (t) => {
  network = await startNetwork({ teardown: (step) => undo.push(step) }, 1);
  t.is(network.hosts.length, 3);
});
test.after.always('the network is gone', async () => {
  for (const step of undo.reverse()) await step();
});

/** A client with a connection to a head that is this file, and a real delivery that has registered with it. */
async function setUp(t: ExecutionContext): Promise<Stage> {
  port++;
  const control = { host: '10.77.0.2', port: port + 1000 };
  const enter = (host: string) => enterNamespace(network.host(host).namespace);
  const { v4: vip } = network.topology.vip;
  const file = join(network.directory, 'secret');
  writeFileSync(file, secret, { mode: 0o600 });
  enter('head');
  const inbox: FromRemote[] = [];
  let link: Link | undefined;
  const server = await listenForLinks(
    control,
    '--control',
    { secret, idleMs: 60_000 },
    {
      onLink(made) {
        link = made;
        return { onMessage: (value) => void inbox.push(checkFromRemote(value)), onEnd() {} };
      },
      onRefused: (_, reason) => t.fail(reason),
    },
  );
  t.teardown(server.close);
  const { fds } = await bindReuseport({ host: vip, port }, 1);
  listen(fds[0]!, 8);
  enter('client');
  const starting = network.host('d1').start([
    ...baton,
    ...['delivery', '--name', 'd1', '--head', formatHostPort(control), '--secret', file, '--vip', vip],
    // A head that breaks off answers no `draining`.
    ...['--direct', '10.77.0.11:8080', '--drain-timeout', '200ms'],
  ]);
  // Also when what follows fails: the next test is a head at the same address.
  t.teardown(async () => (await starting.catch(() => undefined))?.stop());
  const next = async <T extends FromRemote['type']>(type: T) => {
    await until(
      `a ${type}`,
      () => inbox.length,
      (length) => length > 0,
    );
    const message = inbox.shift()!;
    if (message.type !== type) throw new Error(`not ${type}: ${JSON.stringify(message)}`);
    return message as FromRemote & { type: T };
  };
  await next('hello');
  const say = (message: object) => void link!.send(message);
  say({ type: 'welcome', version: 1 });
  const delivery = await starting;

  const client = connect({ host: vip, port, allowHalfOpen: true });
  t.teardown(async () => void client.destroy());
  const seen = { text: '', error: '', ended: false };
  client.on('data', (chunk) => {
    seen.text += chunk;
  });
  client.on('error', (error: NodeJS.ErrnoException) => {
    seen.error = error.code!;
  });
  client.on('close', () => {
    seen.ended = true;
  });
  await once(client, 'connect');
  client.write('GET /bytes/10 HTTP/1.1\r\nHost: lab\r\n\r\n');
  const fd = await until(
    'a connection',
    () => acceptNonBlocking(fds[0]!),
    (found) => found !== EAGAIN,
  );
  closeFd(fds[0]!);
  return {
    client,
    seen,
    fd,
    link: link!,
    delivery,
    say,
    next,
    async offer(withinMs) {
      // The request is there: nothing more comes, so nothing has to be held.
      const frozen = freeze(fd);
      if (frozen instanceof Refusal) throw new Error(frozen.text);
      const saved = frozen.save();
      if (saved instanceof Refusal) throw new Error(saved.text);
      say({ type: 'adopt', id: 1, withinMs, state: encodeSaved(saved) });
      t.is((await next('adopted')).id, 1);
      return frozen;
    },
    async steer() {
      const { mac } = network.host('d1').spec;
      const { run } = network.host('client');
      await run(['ip', 'neigh', 'replace', vip, 'lladdr', mac, 'dev', 'eth0', 'nud', 'permanent']);
      t.teardown(() => run(['ip', 'neigh', 'del', vip, 'dev', 'eth0']));
    },
  };
}

const untilSeen = (stage: Stage, what: string, condition: (seen: Stage['seen']) => boolean) =>
  until(what, () => stage.seen, condition, 5000);

labTest(
  'a link that ends before the word of the head: the delivery drops its copy without one',
  async (t) => {
    const stage = await setUp(t);
    const frozen = await stage.offer(10_000);
    // The head may have taken the connection back, and what it said of that may be lost.
    stage.link.close();
    // It registers again: by then it has dealt with the link that ended.
    await until(
      'a link',
      () => stage.link.send({}),
      (sent) => !sent,
    );
    t.is((await stage.next('hello')).flows, 0);
    frozen.thaw();
    t.false(stage.seen.ended);
    closeFd(stage.fd);
    // What the client sees is the head's: its socket closed with the request unread.
    t.like(await untilSeen(stage, 'the end', ({ ended }) => ended), { text: '' });
  },
);

labTest('an aborted connection is left without a word, and the head goes on with it', async (t) => {
  const stage = await setUp(t);
  const frozen = await stage.offer(10_000);
  stage.say({ type: 'abort', id: 1 });
  stage.say({ type: 'ping' });
  await stage.next('pong');
  frozen.thaw();
  t.deepEqual(stage.seen, { text: '', error: '', ended: false });
  closeFd(stage.fd);
  await untilSeen(stage, 'the end', ({ ended }) => ended);
});

labTest('a delivery that dies before the word leaves the connection to the head', async (t) => {
  const stage = await setUp(t);
  const frozen = await stage.offer(10_000);
  await stage.delivery.kill();
  frozen.thaw();
  t.deepEqual(stage.seen, { text: '', error: '', ended: false });
  closeFd(stage.fd);
  await untilSeen(stage, 'the end', ({ ended }) => ended);
});

for (const [what, message] of [
  ['a commit of what was never offered', { type: 'commit', id: 9 }],
  ['an abort of what was never offered', { type: 'abort', id: 9 }],
  ['what is not a state', { type: 'adopt', id: 9, withinMs: 1000, state: Buffer.from('nonsense') }],
  ['what is not a message', { type: 'nonsense' }],
] as const) {
  labTest(`a head that sends ${what} is left, and found again`, async (t) => {
    const stage = await setUp(t);
    stage.say(message);
    t.is((await stage.next('hello')).name, 'd1', 'on a link of its own');
    t.false(stage.link.send({}));
  });
}

labTest('what ends while a delivery registers again is told after the welcome', async (t) => {
  const stage = await setUp(t);
  const frozen = await stage.offer(10_000);
  frozen.closeSilently();
  await stage.steer();
  stage.say({ type: 'commit', id: 1 });
  await stage.next('live');
  await untilSeen(stage, 'an answer', ({ text }) => text.endsWith('\r\n\r\nabcdefghij'));
  stage.link.close();
  t.like(await stage.next('hello'), { active: 1, flows: 1 });
  t.deepEqual((await stage.next('holding')).ids, [1]);
  stage.client.destroy();
  // Far longer than it takes a delivery to see that and to say so to a head that knows it.
  await delay(300);
  stage.say({ type: 'welcome', version: 1 });
  t.deepEqual(await stage.next('ended'), { type: 'ended', closed: 1, gone: [1] });
});

labTest('a head that rejects a delivery that it knew is asked again', async (t) => {
  const stage = await setUp(t);
  for (const code of ['NOT_ON_SEGMENT', 'VERSION_MISMATCH']) {
    stage.link.close();
    t.is((await stage.next('hello')).name, 'd1');
    stage.say({ type: 'rejected', code, reason: 'not now' });
  }
  stage.link.close();
  await stage.next('hello');
  stage.say({ type: 'welcome', version: 1 });
  stage.say({ type: 'ping' });
  await stage.next('pong');
});

labTest('a connection to an address that the delivery does not share is refused', async (t) => {
  const stage = await setUp(t);
  const frozen = freeze(stage.fd) as FrozenConnection;
  const saved = frozen.save();
  if (saved instanceof Refusal) return t.fail(saved.text);
  const server = { ...saved.server, address: Uint8Array.of(10, 77, 0, 11) };
  stage.say({ type: 'adopt', id: 1, withinMs: 1000, state: encodeSaved({ ...saved, server }) });
  t.is((await stage.next('refused')).reason, 'address-not-here');
  // The head had given up before it could read that: two words that meet on their way are no reason to part.
  stage.say({ type: 'abort', id: 1 });
  stage.say({ type: 'ping' });
  await stage.next('pong');
  frozen.thaw();
  closeFd(stage.fd);
});
