/**
 * For each step of giving back a connection that lives on another host: what if somebody dies right here, freezes, lies, or loses
 * the link? The rogue is a delivery of d1's host that this file plays by hand; `l1` is a real one, at the head.
 */
import test, { type ExecutionContext } from 'ava';
import { decodeSaved, encodeSaved } from '../../../shared/tcp-repair/index.ts';
import { flowKey } from '../../../shared/wire/remote/flow-key.ts';
import { type Kept, keepAlive } from '../../support/keep-alive.ts';
import { type MovingLab, startMovingLab } from '../../support/moving-lab.ts';
import { asRoot } from '../../support/netns.ts';
import { untilNothingIsLeft } from '../../support/netns-lab.ts';
import { enlist } from '../../support/rogue-lab.ts';
import type { RogueRemote } from '../../support/rogue-remote.ts';
import { until } from '../../support/until.ts';

const labTest = asRoot([], test.serial);

let lab: MovingLab;
labTest('a lab of one delivery host and one delivery at the head', async (t) => {
  lab = await startMovingLab();
  t.is(lab.deliveries.length, 2);
});

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
  await lab.only();
  const rogue = await enlist(lab, t, { moves: 'plain' });
  const client = await keepAlive(lab.head.listen);
  t.teardown(async () => void client.socket.destroy());
  const answer = client.who();
  answer.catch(() => {});
  const { id, state } = await rogue.next('adopt');
  rogue.say({ type: 'adopted', id, micros: 1 });
  await rogue.next('commit');
  rogue.say({ type: 'live', ids: [id] });
  await lab.only('l1');
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
  await lab.only();
  for (let i = 0; i < 3; i++) {
    of.rogue.say({ type: 'give', id: of.id, state: of.state });
    t.deepEqual(await word(of.rogue), { type: 'kept', id: of.id });
  }
  const { migration } = await lab.head.status();
  t.deepEqual(
    migration!.flows.listed.map(({ delivery, action }) => [delivery, action]),
    [['rogue', 'forward']],
  );
  await lab.only('l1');
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
  await lab.l1.freeze();
  of.rogue.say({ type: 'give', id: of.id, state: of.state });
  t.deepEqual(await word(of.rogue), { type: 'moved', id: of.id });
  await lab.head.restart('kill');
  await lab.l1.resume();
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
  await lab.l1.freeze();
  of.rogue.say({ type: 'give', id: of.id, state: of.state });
  t.deepEqual(await word(of.rogue), { type: 'moved', id: of.id });
  closed(of, of.rogue);
  // l1 is dropped, and the rogue is the only one that is left.
  const { id, state } = await of.rogue.next('adopt');
  await lab.l1.resume();
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
  await lab.only('d1');
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

labTest('when all has ended nothing is left', async (t) => {
  t.like(await untilNothingIsLeft(lab), { open: 0 });
});
