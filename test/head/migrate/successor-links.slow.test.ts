/** Links of deliveries of other hosts to a head that is about to take over: made before those to the one before are broken. */
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { getStatus, upgradeHead } from '../../../infra/admin-client.ts';
import { parseHostPort } from '../../../shared/units.ts';
import { type Link, type LinkServer, listenForLinks } from '../../../shared/wire/remote/link.ts';
import { checkFromRemote, type FromRemote, type ToRemote } from '../../../shared/wire/remote/messages.ts';
import { failed, type Visit, visit, visitSteadily } from '../../support/load.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab, untilNothingIsLeft } from '../../support/netns-lab.ts';
import { type RogueRemote, startRogueRemote } from '../../support/rogue-remote.ts';
import { RogueSuccessor } from '../../support/rogue-successor.ts';
import { openStream } from '../../support/stream.ts';
import { until } from '../../support/until.ts';
import { gone } from '../../support/upgrades.ts';

const labTest = asRoot([], test.serial);
let lab: LabForTests;
let admin: string;
let successor: number | undefined;

labTest('a lab of two delivery hosts', async (t) => {
  lab = await startTestLab({ headArguments: ['--stall-timeout', '10s'] });
  admin = join(lab.network.directory, 'head.admin.sock');
  t.is(lab.deliveries.length, 2);
});

test.after.always('the last head ends', () => {
  if (successor !== undefined) process.kill(successor, 'SIGKILL');
});

/** A successor that this file is, with the links that come to it. */
async function ask(t: ExecutionContext) {
  const rogue = await until(
    'it may be asked',
    () => RogueSuccessor.ask(admin, 'baton-take-over/2').catch(() => undefined),
    Boolean,
  );
  const message = await rogue!.hear('sockets');
  if (message.type !== 'sockets') throw new Error(message.type);
  const at = message.sockets.findIndex(({ kind }) => kind === 'control');
  const links: Link[] = [];
  const said: FromRemote[] = [];
  let server: LinkServer | undefined;
  const rogueSuccessor = {
    rogue: rogue!,
    links,
    said,
    async listen() {
      const [control] = rogue!.fds.splice(at, 1);
      server = await listenForLinks(
        parseHostPort(lab.control)!,
        '--control',
        { secret: lab.secret, idleMs: 60_000 },
        {
          onLink(link) {
            links.push(link);
            return { onMessage: (value) => void said.push(checkFromRemote(value)), onEnd() {} };
          },
          onRefused: (_, reason) => t.fail(reason),
        },
        control,
      );
      await rogue!.say('listening');
      const sent = await rogue!.hear('sent');
      return sent.type === 'sent' ? sent.deliveries.toSorted() : [];
    },
    hellos: () =>
      until(
        'both have come',
        () => said.filter(({ type }) => type === 'hello'),
        (all) => all.length === 2,
      ),
    /** As its kernel ends a process that is killed. */
    async die() {
      for (const link of links) link.close();
      rogue!.die();
      await server?.close();
    },
  };
  t.teardown(() => rogueSuccessor.die());
  return rogueSuccessor;
}

const states = ['listening', 'joined by deliveries', 'ready', 'handed'] as const;

labTest('a successor that dies, at whichever step, leaves the links to the head as they were', async (t) => {
  const joined = (await lab.head.status()).deliveries.map(({ taken }) => taken);
  t.is(joined.length, 2);
  const stream = await openStream(t, lab.head.listen);
  await lab.untilStatus('it has moved', ({ migration }) => migration!.flows.count === 1);
  for (const state of states) {
    const one = await ask(t);
    const visits = visitSteadily(lab.head.listen, '/whoami', { count: 20, perSecond: 40, timeoutMs: 30_000 });
    t.deepEqual(await one.listen(), ['d1', 'd2'], state);
    if (state !== 'listening') {
      const hellos = await one.hellos();
      t.deepEqual(hellos.map((hello) => hello.type === 'hello' && hello.name).toSorted(), ['d1', 'd2']);
      // The connection that has moved before is told, as it is.
      t.true(hellos.every((hello) => hello.type === 'hello' && hello.version === 3 && hello.successors));
      await until(
        'what they have is told',
        () => one.said.flatMap((message) => (message.type === 'holding' ? message.ids : [])),
        (ids) => ids.length >= 1,
      );
    }
    if (state === 'ready' || state === 'handed') await one.rogue.say('ready');
    if (state === 'handed') {
      const handed = await one.rogue.hear('handed');
      t.true(handed.type === 'handed' && handed.lastId! > 0);
    }
    await one.die();
    t.deepEqual(failed(await visits), [], state);
    await stream.echo();
    const { deliveries, pid } = await lab.head.status();
    t.is(pid, lab.head.pid, state);
    t.true(deliveries.every(({ state: now }) => now === 'up'));
  }
  stream.close();
  // The door is the head's again.
  await lab.deliveries[0]!.kill();
  await lab.deliveries[0]!.restart();
  await lab.untilStatus('it is back', ({ deliveries }) => deliveries.every(({ state }) => state === 'up'));
});

labTest(
  'one that freezes once all was handed to it is given up; what waited meanwhile is moved',
  async (t) => {
    const one = await ask(t);
    await one.listen();
    await one.hellos();
    await one.rogue.say('ready');
    // Nothing was under way, and what had moved before is known to live: nobody would have to wait for the head's last word.
    t.like(await one.rogue.hear('handed'), { settled: true });
    const visits = visitSteadily(lab.head.listen, '/whoami', {
      count: 20,
      perSecond: 100,
      timeoutMs: 30_000,
    });
    await one.rogue.hear('kept');
    const all = await visits;
    t.deepEqual(failed(all), []);
    t.true(all.every(({ body }) => body.includes('"transport":"migrate"')));
    // Links to it that nobody ends do not keep its deliveries from another one.
    const another = await ask(t);
    await another.listen();
    await one.die();
    await another.die();
    t.is((await lab.head.status()).pid, lab.head.pid);
  },
);

labTest('a successor of the version before is taken over to as before', async (t) => {
  const rogue = await until(
    'it may be asked',
    () => RogueSuccessor.ask(admin, 'baton-take-over/1').catch(() => undefined),
    Boolean,
  );
  await rogue!.hear('sockets');
  await rogue!.say('ready');
  const handed = await rogue!.hear('handed');
  t.true(handed.type === 'handed' && handed.lastId === undefined);
  rogue!.die();
  await lab.untilStatus('it goes on', ({ deliveries }) => deliveries.length === 2);
  t.is((await visit(lab.head.listen, '/whoami')).status, 200);
});

/** A delivery that this file is, with another link to whoever listens. */
async function remote(t: ExecutionContext, hello: object): Promise<RogueRemote> {
  lab.enter('d1');
  const rogue = await startRogueRemote(lab.control, lab.secret, {
    direct: lab.deliveries[0]!.direct,
    ...hello,
  });
  lab.enter('client');
  t.teardown(async () => rogue.die());
  return rogue;
}

labTest('a successor is told when something is still on its way to another host', async (t) => {
  const mute = await remote(t, { name: 'mute', version: 2 });
  await mute.next('welcome');
  let isOffered = false;
  const visits: Promise<Visit>[] = [];
  while (!isOffered) {
    visits.push(visit(lab.head.listen, '/whoami', 30_000));
    isOffered = await until(
      'it is offered one, or is not',
      () => mute.inbox.some(({ type }) => type === 'adopt') || 'no',
      (is) => is === true || visits.length < 100,
    ).then((is) => is === true);
  }
  const one = await ask(t);
  t.deepEqual(await one.listen(), ['d1', 'd2']);
  await one.hellos();
  await one.rogue.say('ready');
  const handed = await one.rogue.hear('handed');
  t.true(handed.type === 'handed' && handed.lastId! > 0 && handed.settled === undefined);
  await one.die();
  mute.die();
  t.deepEqual(failed(await Promise.all(visits)), []);
});

/** Replaces the head for good; the deliveries that the next one has. */
async function upgraded(names: readonly string[]): Promise<void> {
  const { pid: before } = await getStatus(admin);
  ({ pid: successor } = await upgradeHead(admin));
  await gone(before);
  await until(
    `${names.join(', ')} are there`,
    () => getStatus(admin),
    ({ deliveries }) =>
      names.every((name) => deliveries.some((one) => one.name === name && one.state === 'up')),
  );
}

labTest('a delivery of a release that cannot is dismissed, and comes then', async (t) => {
  const old = await remote(t, { name: 'old', version: 2 });
  await old.next('welcome');
  await upgraded(['d1', 'd2']);
  t.like(await old.next('dismissed'), { successor: true });
  const again = await remote(t, { name: 'old', version: 2 });
  await again.next('welcome');
  again.die();
});

labTest('a delivery that is asked, and comes twice, dies, or does not come', async (t) => {
  const silent = await remote(t, { name: 'silent', version: 3, successors: true });
  const twice = await remote(t, { name: 'twice', version: 3, successors: true });
  const dying = await remote(t, { name: 'dying', version: 3, successors: true });
  for (const one of [silent, twice, dying]) await one.next('welcome');
  const upgrade = upgraded(['d1', 'd2']);
  for (const one of [silent, twice, dying]) await one.next('successor');
  const first = await remote(t, { name: 'twice', version: 3, successors: true });
  const second = await remote(t, { name: 'twice', version: 3, successors: true });
  const dead = await remote(t, { name: 'dying', version: 3, successors: true });
  dead.die();
  // Its link to the head that goes breaks before the other one is welcome.
  twice.reset();
  await upgrade;
  const heard = await Promise.all(
    [first, second].map(async (one) => {
      await until(
        'a word',
        () => one.inbox.length,
        (length) => length > 0,
      );
      return one.inbox[0]!;
    }),
  );
  t.deepEqual(heard.map(({ type }) => type).toSorted(), ['rejected', 'welcome']);
  t.like(
    heard.find(({ type }) => type === 'rejected'),
    { code: 'NAME_TAKEN' },
  );
  t.like(await silent.next('dismissed'), { successor: true });
  for (const one of [first, second, silent, dying]) one.die();
  t.is((await visit(lab.head.listen, '/whoami')).status, 200);
});

labTest('deliveries whose lanes are open before their welcome', async (t) => {
  const can = { version: 3, successors: true, lanes: true, ahead: true };
  const names = ['opens', 'dies', 'babbles', 'lane-dies', 'late'];
  const before = await Promise.all(names.map((name) => remote(t, { name, ...can })));
  // At a head that is one already they come with it.
  for (const one of before) t.truthy((await one.next('welcome')).lanes);
  const upgrade = upgraded(['d1', 'd2', 'opens']);
  for (const one of before) await one.next('successor');
  // Until one that does not come is late nothing more happens.
  const after = await Promise.all(names.slice(0, -1).map((name) => remote(t, { name, ...can })));
  const [opens, dies, babbles, laneDies] = after as [RogueRemote, RogueRemote, RogueRemote, RogueRemote];
  for (const one of after) t.truthy((await one.next('ahead')).lanes);
  dies.die();
  babbles.lanes.sayToAll({ type: 'adopted', id: 1 });
  babbles.say({ type: 'draining' });
  t.like(await babbles.next('rejected'), { code: 'PROTOCOL' });
  laneDies.lanes.close();
  t.like(await laneDies.next('rejected'), { code: 'PROTOCOL' });
  await upgrade;
  // It has lanes already.
  t.is((await opens.next('welcome')).lanes, undefined);
  const visits: Promise<Visit>[] = [];
  await until(
    'it is offered a connection, over its lane',
    () => {
      visits.push(visit(lab.head.listen, '/whoami', 30_000));
      return opens.inbox.find(({ type }) => type === 'adopt') as (ToRemote & { type: 'adopt' }) | undefined;
    },
    (adopt) => adopt !== undefined && opens.lanes.say({ type: 'refused', id: adopt.id, reason: 'no-memory' }),
  );
  for (const one of [...before, ...after]) one.die();
  t.deepEqual(failed(await Promise.all(visits)), []);
  await untilNothingIsLeft(lab);
});
