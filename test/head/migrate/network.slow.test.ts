/** What happens in the network around connections that moved: narrow links, firewalls, filters that go, cards that change. */
import { once } from 'node:events';
import { connect } from 'node:net';
import test from 'ava';
import { run } from '../../../infra/lab/netns/command.ts';
import { enterRepair } from '../../../shared/sys/tcp-repair.ts';
import { enterNamespace } from '../../support/enter-namespace.ts';
import { failed, visit, visitSteadily } from '../../support/load.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab, untilNothingIsLeft } from '../../support/netns-lab.ts';
import { send } from '../../support/raw-client.ts';
import { until } from '../../support/until.ts';

const labTest = asRoot([], test.serial);
const withNft = asRoot(['nft'], test.serial);

let lab: LabForTests;
labTest('a lab of one delivery host', async (t) => {
  lab = await startTestLab({ deliveries: 1, headArguments: ['--stall-timeout', '1s'] });
  t.is(lab.deliveries.length, 1);
});

/** A host `far` behind the client's, over a link that takes packets of 1400 bytes at most. It is told by ICMP alone. */
async function buildNarrowLink(family: 'v4' | 'v6'): Promise<string> {
  const router = lab.network.host('client').namespace;
  const far = `${lab.network.name}-far`;
  const prefix = family === 'v4' ? '10.78.0' : 'fd78:';
  const [near, remote, bits] = family === 'v4' ? ['10.78.0.1', '10.78.0.2', 24] : ['fd78::1', 'fd78::2', 64];
  const ip = (namespace: string, ...args: string[]) => run(['ip', '-n', namespace, ...args]);
  const inside = (namespace: string, ...command: string[]) =>
    run(['ip', 'netns', 'exec', namespace, ...command]);
  if (family === 'v4') {
    await run(['ip', 'netns', 'add', far]);
    await ip(router, 'link', 'add', 'narrow', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', far);
    for (const [namespace, card] of [
      [router, 'narrow'],
      [far, 'eth0'],
      [far, 'lo'],
    ] as const)
      await ip(namespace, 'link', 'set', card, 'up');
    const settings = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
    await inside(router, 'sysctl', '-qw', ...settings);
  }
  await ip(router, 'addr', 'add', `${near}/${bits}`, 'dev', 'narrow', ...(family === 'v6' ? ['nodad'] : []));
  await ip(far, 'addr', 'add', `${remote}/${bits}`, 'dev', 'eth0', ...(family === 'v6' ? ['nodad'] : []));
  // Its own card takes 1500, and it announces segments of that size; the router's end of the link does not.
  await ip(router, 'link', 'set', 'narrow', 'mtu', '1400');
  const gateway = family === 'v4' ? '10.77.0.1' : 'fd77::1';
  await ip(far, ...(family === 'v6' ? ['-6'] : []), 'route', 'add', 'default', 'via', near as string);
  for (const host of ['head', 'd1'])
    await ip(
      lab.network.host(host).namespace,
      ...(family === 'v6' ? ['-6'] : []),
      'route',
      'add',
      `${prefix}${family === 'v4' ? '.0' : ':'}/${bits}`,
      'via',
      gateway,
    );
  return far;
}

labTest('a link too narrow for a delivery is found, and the answer comes at once', async (t) => {
  const far = await buildNarrowLink('v4');
  enterNamespace(far);
  const answer = await visit(lab.head.listen, '/bytes/100000');
  t.like(answer, { status: 200, error: '' });
  t.is(answer.body.length, 100_000);
  t.true(answer.millis < 2000, `${answer.millis} ms`);
  t.is((await lab.head.status()).migration!.outcomes.adopted, 1);
  lab.enter('client');
  await untilNothingIsLeft(lab);
});

withNft('a stateful firewall of the head does not keep entries of connections that moved', async (t) => {
  const head = lab.network.host('head');
  const rules = `table ip guard { chain in { type filter hook input priority 0; policy accept;
    ct state established,related accept; ct state invalid drop; } }`;
  await head.run(['nft', rules]);
  t.teardown(() => head.run(['nft', 'delete table ip guard']));
  // The head notices within a second that connections are tracked.
  await visitSteadily(lab.head.listen, '/bytes/10', { count: 20, perSecond: 10 });
  const entries = async () => Number(await head.run(['cat', '/proc/sys/net/netfilter/nf_conntrack_count']));
  const before = await entries();
  const visits = await visitSteadily(lab.head.listen, '/bytes/10', { count: 100, perSecond: 200 });
  t.deepEqual(failed(visits), []);
  await untilNothingIsLeft(lab);
  t.true((await entries()) <= before, `${before} entries before 100 visits, ${await entries()} after`);
});

labTest('a filter that somebody removes is noticed, and attached again', async (t) => {
  const head = lab.network.host('head');
  const { migration } = await lab.head.status();
  await head.run(['tc', 'qdisc', 'del', 'dev', 'eth0', 'clsact']);
  await until(
    'the filter is back',
    () => head.run(['tc', 'filter', 'show', 'dev', 'eth0', 'ingress']),
    (text) => text.includes('baton_steer'),
  );
  // The same table is at work, for new connections as for old ones.
  await until(
    'a visit is moved',
    () => visit(lab.head.listen, '/whoami'),
    ({ body }) => body.includes('"migrate"'),
  );
  const visits = await visitSteadily(lab.head.listen, '/whoami', { count: 50, perSecond: 100 });
  t.deepEqual(failed(visits), []);
  t.true(visits.every(({ body }) => body.includes('"migrate"')));
  t.true((await lab.head.status()).migration!.outcomes.adopted! > migration!.outcomes.adopted!);
  await untilNothingIsLeft(lab);
});

labTest('a delivery whose host comes up with another card gets its packets there', async (t) => {
  const delivery = lab.network.host('d1');
  const mac = '02:ba:70:00:99:11';
  const slow = visit(lab.head.listen, '/delay/1500');
  await lab.untilStatus('it is moved', ({ migration }) => migration!.flows.count === 1);
  // As a virtual address's new owner does, it tells the segment.
  await delivery.run(['sysctl', '-qw', 'net.ipv4.conf.all.arp_notify=1', 'net.ipv4.conf.eth0.arp_notify=1']);
  await delivery.run(['ip', 'link', 'set', 'dev', 'eth0', 'address', mac]);
  t.like(await slow, { status: 200, error: '' });
  const visits = await visitSteadily(lab.head.listen, '/bytes/20000', { count: 50, perSecond: 100 });
  t.deepEqual(failed(visits), []);
  await untilNothingIsLeft(lab);
});

labTest('a port that is used again while its delivery still has the old connection', async (t) => {
  const [host, port] = lab.head.listen.split(':');
  const localPort = 45_679;
  const ask = async () => {
    const socket = connect({ host: host!, port: Number(port), localPort });
    t.teardown(async () => void socket.destroy());
    await once(socket, 'connect');
    socket.write('GET /whoami HTTP/1.1\r\nHost: lab\r\n\r\n');
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    return { socket, text: chunk.toString('latin1') };
  };
  const first = await ask();
  t.regex(first.text, /^HTTP\/1\.1 200 /);
  // As a client does whose host loses its power: nobody is told.
  const { fd } = (first.socket as unknown as { _handle: { fd: number } })._handle;
  t.is(enterRepair(fd), 0);
  first.socket.destroy();
  await once(first.socket, 'close');
  // A child that starts right now may have a copy of the first until it runs its own program.
  const second = (await until(
    'the port is free',
    () => ask().catch(() => undefined),
    (answer) => answer !== undefined,
  ))!;
  t.regex(second.text, /^HTTP\/1\.1 200 /);
  t.regex(second.text, /"migrate"/);
  second.socket.destroy();
  await untilNothingIsLeft(lab);
});

labTest('a client that resets its connection is tried with nobody', async (t) => {
  const [host, port] = lab.head.listen.split(':');
  const before = await lab.head.status();
  for (let i = 0; i < 200; i++) {
    const socket = connect({ host: host!, port: Number(port) });
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write('GET /bytes/10 HTTP/1.1\r\nHost: lab\r\n\r\n', () => socket.resetAndDestroy());
    await once(socket, 'close');
  }
  await untilNothingIsLeft(lab);
  const after = await lab.head.status();
  const ends = Object.values(after.migration!.outcomes).reduce((sum, n) => sum + n, 0);
  const endsBefore = Object.values(before.migration!.outcomes).reduce((sum, n) => sum + n, 0);
  t.true(ends - endsBefore <= 200, `${ends - endsBefore} migrations of 200 connections`);
  await t.throwsAsync(lab.metric('baton_migrations_kept_total{reason="kernel-refused"}'));
});

labTest('a client that sends its FIN and its requests while others are moved gets all answers', async (t) => {
  const request = 'GET /bytes/10 HTTP/1.1\r\nHost: lab\r\n\r\n';
  const { all } = await send(lab.head.listen, request.repeat(3), { halfClose: true, pieceBytes: 7 });
  t.is(all.toString('latin1').match(/HTTP\/1\.1 200/g)?.length, 3);
});
