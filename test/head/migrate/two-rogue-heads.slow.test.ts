/** What a delivery does between two heads that know nothing of each other: this file is both, and a real delivery serves them. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { baton } from '../../../infra/lab/service.ts';
import { EAGAIN } from '../../../shared/sys/libc.ts';
import { bindReuseport } from '../../../shared/sys/reuseport.ts';
import { acceptNonBlocking, closeFd, listen } from '../../../shared/sys/sockets.ts';
import { encodeSaved, type FrozenConnection, freeze, Refusal } from '../../../shared/tcp-repair/index.ts';
import { formatHostPort } from '../../../shared/units.ts';
import { type Link, listenForLinks } from '../../../shared/wire/remote/link.ts';
import { checkFromRemote, type FromRemote } from '../../../shared/wire/remote/messages.ts';
import { enterNamespace } from '../../support/enter-namespace.ts';
import { asRoot, startNetwork } from '../../support/netns.ts';
import { until } from '../../support/until.ts';

const labTest = asRoot([], test.serial);
const secret = Buffer.from('a secret of a test, long enough');

labTest('numbers, credits and words between two heads that both give', async (t) => {
  const network = await startNetwork(t, 1);
  const enter = (host: string) => enterNamespace(network.host(host).namespace);
  const { v4: vip } = network.topology.vip;
  const file = join(network.directory, 'secret');
  writeFileSync(file, secret, { mode: 0o600 });
  enter('head');
  const heads = await Promise.all(
    [9001, 9002].map(async (port) => {
      const control = { host: '10.77.0.2', port };
      const inbox: FromRemote[] = [];
      const links: Link[] = [];
      const server = await listenForLinks(
        control,
        '--control',
        { secret, idleMs: 60_000 },
        {
          onLink(link) {
            links.push(link);
            return { onMessage: (value) => void inbox.push(checkFromRemote(value)), onEnd() {} };
          },
          onRefused: (_, reason) => t.fail(reason),
        },
      );
      t.teardown(server.close);
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
      const say = (message: object) => void links.at(-1)!.send(message);
      return { control, next, say, inbox };
    }),
  );
  const [a, b] = heads as [(typeof heads)[number], (typeof heads)[number]];
  const { fds } = await bindReuseport({ host: vip, port: 80 }, 1);
  listen(fds[0]!, 8);
  enter('client');
  const starting = network
    .host('d1')
    .start([
      ...baton,
      ...['delivery', '--name', 'd1', '--secret', file, '--vip', vip, '--credits', '2'],
      ...heads.flatMap(({ control }) => ['--head', formatHostPort(control)]),
      ...['--direct', '10.77.0.11:8080', '--drain-timeout', '200ms'],
    ]);
  t.teardown(async () => (await starting.catch(() => undefined))?.stop());
  for (const head of [a, b]) {
    t.like(await head.next('hello'), { version: 3, active: 0, flows: 0, credits: 2 });
    head.say({ type: 'welcome', version: 3 });
  }
  await starting;

  const clients: Socket[] = [];
  const left = new Set<number>();
  t.teardown(async () => left.forEach(closeFd));
  const frozen = async (): Promise<{ fd: number; frozen: FrozenConnection; state: Uint8Array }> => {
    const client = connect({ host: vip, port: 80 });
    client.on('error', () => {});
    t.teardown(async () => void client.destroy());
    await once(client, 'connect');
    clients.push(client);
    const fd = await until(
      'a connection',
      () => acceptNonBlocking(fds[0]!),
      (found) => found !== EAGAIN,
    );
    left.add(fd);
    const copy = freeze(fd);
    if (copy instanceof Refusal) throw new Error(copy.text);
    const saved = copy.save();
    if (saved instanceof Refusal) throw new Error(saved.text);
    return { fd, frozen: copy, state: encodeSaved(saved) };
  };
  const first = await frozen();
  const second = await frozen();

  // The same number twice, of two heads.
  a.say({ type: 'adopt', id: 7, withinMs: 10_000, state: first.state });
  t.is((await a.next('adopted')).id, 7);
  b.say({ type: 'adopt', id: 7, withinMs: 10_000, state: second.state });
  t.like(await b.next('refused'), { id: 7, reason: 'id-in-use' });
  b.say({ type: 'adopt', id: 8, withinMs: 10_000, state: second.state });
  t.is((await b.next('adopted')).id, 8);
  // Neither has given more than one; together they have given all.
  a.say({ type: 'adopt', id: 9, withinMs: 10_000, state: first.state });
  t.like(await a.next('refused'), { id: 9, reason: 'no-credit' });
  // What comes to nothing makes room, for its number too.
  b.say({ type: 'abort', id: 8 });
  b.say({ type: 'adopt', id: 8, withinMs: 10_000, state: second.state });
  t.is((await b.next('adopted')).id, 8);

  // The other head is told of what one has moved, and of its end; the one that moved it hears that it lives.
  enter('head');
  first.frozen.closeSilently();
  left.delete(first.fd);
  a.say({ type: 'commit', id: 7 });
  t.deepEqual((await a.next('live')).ids, [7]);
  t.deepEqual((await b.next('holding')).ids, [7]);
  t.is(a.inbox.length, 0);
  clients[0]!.destroy();
  b.say({ type: 'abort', id: 8 });
  t.pass();
});
