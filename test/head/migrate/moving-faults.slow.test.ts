/**
 * For each step of giving back a connection that lives on another host: what if somebody dies right here, freezes, lies, or loses
 * the link? The rogue is a delivery of d1's host that this file plays by hand; `l1` is a real one, at the head.
 */
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { drainByMoving } from '../../../infra/admin-client.ts';
import { decodeSaved, encodeSaved } from '../../../shared/tcp-repair/index.ts';
import { flowKey } from '../../../shared/wire/remote/flow-key.ts';
import { type Kept, keepAlive, keepAliveMany } from '../../support/keep-alive.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab, untilNothingIsLeft } from '../../support/netns-lab.ts';
import { enlist } from '../../support/rogue-lab.ts';
import type { RogueRemote } from '../../support/rogue-remote.ts';
import { until } from '../../support/until.ts';

const labTest = asRoot([], test.serial);

let lab: LabForTests;
labTest('a lab of one delivery host and one delivery at the head', async (t) => {
  lab = await startTestLab({
    deliveries: 1,
    local: 1,
    headArguments: ['--workers', '1', '--adopt-timeout', '1s', '--stall-timeout', '2s', '--flows', '4096'],
  });
  t.is(lab.deliveries.length, 2);
});

const only = async (...names: string[]): Promise<void> => {
  for (const name of ['d1', 'l1']) await lab.head.drain(name, !names.includes(name));
};
const move = (name: string) => drainByMoving(join(lab.network.directory, 'head.admin.sock'), name);
const l1 = () => lab.deliveries.find(({ name }) => name === 'l1')!;
const d1 = () => lab.deliveries.find(({ name }) => name === 'd1')!;

/** What was said is with the kernel. */
async function flushed(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

interface Held {
  readonly rogue: RogueRemote;
  readonly client: Kept;
  /** Of the request that the client has sent, and nobody has read. */
  readonly answer: Promise<string>;
  readonly id: number;
  readonly state: Uint8Array;
}

/** A connection that a rogue has adopted. */
async function held(t: ExecutionContext): Promise<Held> {
  await only();
  const rogue = await enlist(lab, t, { moves: 'plain' });
  const client = await keepAlive(lab.head.listen);
  t.teardown(async () => void client.socket.destroy());
  const answer = client.who();
  answer.catch(() => {});
  const { id, state } = await rogue.next('adopt');
  rogue.say({ type: 'adopted', id, micros: 1 });
  await rogue.next('commit');
  rogue.say({ type: 'live', ids: [id] });
  await only('l1');
  return { rogue, client, answer, id, state: Uint8Array.from(state) };
}

const word = async (rogue: RogueRemote): Promise<{ type: string; id?: number }> => {
  await until(
    'a word',
    () => rogue.inbox.length,
    (length) => length > 0,
  );
  return rogue.inbox.shift() as { type: string; id?: number };
};

/** As the delivery says when its socket has gone. */
const closed = ({ id }: Held, rogue: RogueRemote): void =>
  rogue.say({ type: 'ended', closed: 1, gone: [id] });

/** It registers again, with the connection as it was, of which it has no word. */
const again = async (t: ExecutionContext, { id, state }: Held): Promise<RogueRemote> =>
  await enlist(lab, t, { moves: 'plain' }, { ids: [id], keys: flowKey(decodeSaved(state)), doubtful: [id] });

labTest('what is given back goes to another, of another kind, with its unread request', async (t) => {
  const of = await held(t);
  of.rogue.say({ type: 'give', id: of.id, state: of.state });
  t.deepEqual(await word(of.rogue), { type: 'moved', id: of.id });
  closed(of, of.rogue);
  t.is(await of.answer, 'l1');
  t.is(await of.client.who(), 'l1');
  const { migration, givenBack } = await lab.head.status();
  t.is(migration!.flows.count, 0);
  t.true(givenBack >= 1);
});

labTest('where nobody else can take it, it stays, and is steered as before', async (t) => {
  const of = await held(t);
  await only();
  for (let i = 0; i < 3; i++) {
    of.rogue.say({ type: 'give', id: of.id, state: of.state });
    t.deepEqual(await word(of.rogue), { type: 'kept', id: of.id });
  }
  const { migration } = await lab.head.status();
  t.deepEqual(
    migration!.flows.listed.map(({ delivery, action }) => [delivery, action]),
    [['rogue', 'forward']],
  );
  await only('l1');
  of.rogue.say({ type: 'give', id: of.id, state: of.state });
  t.deepEqual(await word(of.rogue), { type: 'moved', id: of.id });
  closed(of, of.rogue);
  t.is(await of.answer, 'l1');
});

labTest(
  'what it does not have, or not any more, is left alone, and a lie ends its registration',
  async (t) => {
    const of = await held(t);
    of.rogue.say({ type: 'give', id: of.id + 7, state: of.state });
    t.deepEqual(await word(of.rogue), { type: 'kept', id: of.id + 7 });
    const saved = decodeSaved(of.state);
    const lies: [what: string, state: Uint8Array][] = [
      ['no state', Buffer.from('nonsense')],
      ['a client of its own choice', encodeSaved({ ...saved, client: { ...saved.client, port: 1 } })],
      [
        'a server that is not this one',
        encodeSaved({ ...saved, server: { ...saved.server, address: Uint8Array.of(10, 77, 0, 2) } }),
      ],
      ['a port that is not this one', encodeSaved({ ...saved, server: { ...saved.server, port: 22 } })],
    ];
    let { rogue } = of;
    for (const [what, state] of lies) {
      rogue.say({ type: 'give', id: of.id, state });
      t.like(await word(rogue), { type: 'dismissed' }, what);
      t.is(of.client.ended, undefined, what);
      rogue.die();
      rogue = await again(t, of);
      t.deepEqual(await word(rogue), { type: 'kept', id: of.id }, what);
    }
    for (const app of [Buffer.alloc(40_000), 'text']) {
      rogue.say({ type: 'give', id: of.id, state: of.state, app });
      t.like(await word(rogue), { type: 'dismissed' });
      rogue.die();
      rogue = await again(t, of);
      t.deepEqual(await word(rogue), { type: 'kept', id: of.id });
    }
    rogue.say({ type: 'give', id: of.id, state: of.state });
    t.deepEqual(await word(rogue), { type: 'moved', id: of.id });
    closed(of, rogue);
    t.is(await of.answer, 'l1');
  },
);

labTest(
  'a link that is reset with a connection on its way back: the word is said by the next one',
  async (t) => {
    for (const how of ['reset', 'die'] as const) {
      const of = await held(t);
      process.kill(lab.head.pid, 'SIGSTOP');
      of.rogue.say({ type: 'give', id: of.id, state: of.state });
      await flushed();
      of.rogue[how]();
      process.kill(lab.head.pid, 'SIGCONT');
      const next = await again(t, of);
      const { type } = await word(next);
      t.log(`${how}: ${type}`);
      if (type === 'kept') {
        t.is(of.client.ended, undefined);
        next.say({ type: 'give', id: of.id, state: of.state });
        t.deepEqual(await word(next), { type: 'moved', id: of.id });
      } else t.is(type, 'moved');
      next.say({ type: 'ended', closed: 1, gone: [] });
      t.is(await of.answer, 'l1');
      of.client.socket.destroy();
      next.die();
    }
  },
);

labTest('a head that is killed before it has said a word: the connection is where it was', async (t) => {
  const of = await held(t);
  process.kill(lab.head.pid, 'SIGSTOP');
  of.rogue.say({ type: 'give', id: of.id, state: of.state });
  await flushed();
  await lab.head.restart('kill');
  const next = await again(t, of);
  t.deepEqual(await word(next), { type: 'kept', id: of.id });
  t.is(of.client.ended, undefined);
  const { migration } = await lab.head.status();
  t.deepEqual(
    migration!.flows.listed.map(({ delivery, action }) => [delivery, action]),
    [['rogue', 'forward']],
  );
  await lab.untilStatus('l1 is back', ({ deliveries }) =>
    deliveries.some(({ name, state }) => name === 'l1' && state === 'up'),
  );
  next.say({ type: 'give', id: of.id, state: of.state });
  t.deepEqual(await word(next), { type: 'moved', id: of.id });
  closed(of, next);
  t.is(await of.answer, 'l1');
});

labTest(
  'a head that is killed when it has said that it moved: whoever has it by then keeps it',
  async (t) => {
    const of = await held(t);
    of.rogue.say({ type: 'give', id: of.id, state: of.state });
    t.deepEqual(await word(of.rogue), { type: 'moved', id: of.id });
    t.is(await of.answer, 'l1');
    await lab.head.restart('kill');
    // It has not heard the word, and asks: no entry is its own.
    const next = await again(t, of);
    t.deepEqual(await word(next), { type: 'moved', id: of.id });
    closed(of, next);
    t.is(await of.client.who(), 'l1', 'and packets of its client are sent nowhere else');
    t.is((await lab.head.status()).migration!.flows.count, 0);
    await lab.untilStatus('l1 is back', ({ deliveries }) =>
      deliveries.some(({ name, inUse }) => name === 'l1' && inUse === 1),
    );
  },
);

labTest('and where nobody has taken it its client is told', async (t) => {
  const of = await held(t);
  await l1().freeze();
  of.rogue.say({ type: 'give', id: of.id, state: of.state });
  t.deepEqual(await word(of.rogue), { type: 'moved', id: of.id });
  await lab.head.restart('kill');
  await l1().resume();
  const next = await again(t, of);
  t.deepEqual(await word(next), { type: 'moved', id: of.id });
  closed(of, next);
  await until(
    'an answer or an end',
    async () => of.client.ended ?? (await Promise.race([of.answer.catch(() => 'reset'), undefined])),
    (how) => how !== undefined,
  );
  t.pass();
});

labTest('whoever was to have it dies, or leaves it: a third gets it, or the one that gave it', async (t) => {
  const of = await held(t);
  await l1().freeze();
  of.rogue.say({ type: 'give', id: of.id, state: of.state });
  t.deepEqual(await word(of.rogue), { type: 'moved', id: of.id });
  closed(of, of.rogue);
  // l1 is dropped, and the rogue is the only one that is left.
  const { id, state } = await of.rogue.next('adopt');
  await l1().resume();
  t.not(id, of.id);
  t.is(Buffer.compare(decodeSaved(state).received, decodeSaved(of.state).received), 0);
  await lab.untilStatus('l1 is back', ({ deliveries }) =>
    deliveries.some(({ name, state }) => name === 'l1' && state === 'up'),
  );
  of.rogue.say({ type: 'refused', id, reason: 'no-memory' });
  t.is(await of.answer, 'l1');
});

labTest('a client that uses its port again while the old connection is given back', async (t) => {
  const of = await held(t);
  const { port } = decodeSaved(of.state).client;
  of.client.socket.resetAndDestroy();
  await only('d1');
  const client = await until(
    'the port is free',
    () => keepAlive(lab.head.listen, port).catch(() => undefined),
    (found) => found !== undefined,
  );
  t.is(await client!.who(), 'd1');
  of.rogue.say({ type: 'give', id: of.id, state: of.state });
  t.deepEqual(await word(of.rogue), { type: 'kept', id: of.id });
  t.is(await client!.who(), 'd1');
  closed(of, of.rogue);
  client!.socket.destroy();
});

/** What became of each: who answers, or how it has ended. */
const fates = (clients: readonly Kept[]): Promise<string[]> =>
  Promise.all(clients.map((client) => client.who().catch(() => 'lost')));

for (const how of ['killed', 'frozen for a moment'] as const) {
  labTest(`a delivery that is ${how} while what it has moves`, async (t) => {
    await only('d1');
    const clients = await keepAliveMany(lab.head.listen, 300);
    t.deepEqual([...new Set(await fates(clients))], ['d1']);
    const before = (await lab.head.status()).givenBack;
    await only('l1');
    await move('d1');
    await until(
      'some have moved',
      () => lab.head.status(),
      ({ givenBack }) => givenBack > before,
    );
    if (how === 'killed') await d1().kill();
    else await d1().freeze();
    const { givenBack } = await lab.head.status();
    if (how !== 'killed') {
      await new Promise((resolve) => setTimeout(resolve, 200));
      await d1().resume();
    }
    const found = await fates(clients);
    const lost = found.filter((fate) => fate === 'lost').length;
    t.log(`${givenBack - before} had moved, ${lost} lost`);
    if (how === 'killed') {
      t.true(found.filter((fate) => fate === 'l1').length >= givenBack - before - 1);
      await d1().restart();
    } else t.is(lost, 0);
    for (const { socket } of clients) socket.destroy();
    await lab.head.drain('d1', false);
    await untilNothingIsLeft(lab);
  });
}

labTest(
  'a head that is killed while connections move: what it had not decided goes on where it was',
  async (t) => {
    await only('d1');
    const clients = await keepAliveMany(lab.head.listen, 300);
    t.deepEqual([...new Set(await fates(clients))], ['d1']);
    const before = (await lab.head.status()).givenBack;
    await only('l1');
    await move('d1');
    await until(
      'some have moved',
      () => lab.head.status(),
      ({ givenBack }) => givenBack > before,
    );
    const restarted = lab.head.restart('kill');
    // A server keeps what is idle for 5 s, and a head may take longer to come back.
    const asked = fates(clients);
    await restarted;
    await lab.untilStatus('both are back', ({ deliveries }) => deliveries.length === 2);
    const found = await asked;
    const count = (fate: string) => found.filter((one) => one === fate).length;
    t.log(`l1 ${count('l1')}, d1 ${count('d1')}, lost ${count('lost')}`);
    t.is(count('l1') + count('d1') + count('lost'), clients.length, 'nobody waits');
    // What was its own at that moment: given back to it, and not taken.
    t.true(count('lost') <= 64, `${count('lost')}`);
    t.true(count('l1') > 0);
    for (const { socket } of clients) socket.destroy();
    await lab.head.drain('d1', false);
  },
);

labTest('a head that is taken over while connections move: nobody loses one', async (t) => {
  t.timeout(120_000);
  await only('d1');
  const clients = await keepAliveMany(lab.head.listen, 300);
  t.deepEqual([...new Set(await fates(clients))], ['d1']);
  let goesOn = true;
  // None is idle for as long as a server allows, and no answer comes from elsewhere.
  const asking = clients.map(async (client) => {
    const seen = new Set<string>();
    while (goesOn) {
      seen.add(await client.who());
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    return seen;
  });
  const before = (await lab.head.status()).givenBack;
  await only('l1');
  await move('d1');
  await until(
    'some have moved',
    () => lab.head.status(),
    ({ givenBack }) => givenBack > before,
  );
  await lab.head.upgrade();
  await lab.untilStatus('both are back', ({ deliveries }) => deliveries.length === 2);
  // A new registration, which the operator asks again.
  await move('d1');
  await lab.untilStatus('d1 has none', ({ deliveries }) =>
    deliveries.some(({ name, inUse }) => name === 'd1' && inUse === 0),
  );
  goesOn = false;
  for (const seen of await Promise.all(asking)) t.true(seen.has('d1') || seen.has('l1'));
  t.deepEqual([...new Set(await fates(clients))], ['l1']);
  for (const { unasked, ended } of clients) t.is(unasked + (ended ?? ''), '');
  for (const { socket } of clients) socket.destroy();
  await lab.head.drain('d1', false);
});

labTest('when all has ended nothing is left', async (t) => {
  t.like(await untilNothingIsLeft(lab), { open: 0 });
});
