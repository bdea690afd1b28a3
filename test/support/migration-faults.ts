/**
 * What becomes of a connection when the delivery that it is to move to fails, at each step, over its link or over lanes of its
 * own. The rogue is a delivery that this file plays by hand; `d1` is a real one, whose direct address the rogue claims as its own.
 */
import test from 'ava';
import { decodeSaved } from '../../shared/tcp-repair/index.ts';
import { flowKey } from '../../shared/wire/remote/flow-key.ts';
import { visit } from './load.ts';
import { asRoot } from './netns.ts';
import { type LabForTests, untilNothingIsLeft } from './netns-lab.ts';
import { open, send } from './raw-client.ts';
import {
  ADOPT_TIMEOUT_MS,
  enlist as enlistAny,
  isRedirected,
  outcomesDuring,
  REQUEST,
  startRogueLab,
} from './rogue-lab.ts';
import { until } from './until.ts';

const labTest = asRoot([], test.serial);

/** The tests of a file. `hello`: what the rogue says of itself. */
export function testFaults(hello: { readonly lanes?: true }): void {
  let lab: LabForTests;
  const enlist: typeof enlistAny = (at, t, more, holding) => enlistAny(at, t, { ...hello, ...more }, holding);
  labTest('a lab whose only delivery is drained', async (t) => {
    lab = await startRogueLab();
    t.is((await lab.head.status()).migration!.flows.capacity, 64);
  });

  labTest(
    'a delivery that refuses costs nothing: the client is redirected on the same connection',
    async (t) => {
      const rogue = await enlist(lab, t);
      const outcomes = await outcomesDuring(lab, async () => {
        const reply = send(lab.head.listen, REQUEST);
        const { id } = await rogue.next('adopt');
        rogue.say({ type: 'refused', id, reason: 'no-memory' });
        await isRedirected(lab, t, reply);
      });
      t.deepEqual(outcomes, { refused: 1 });
      t.is(await lab.metric('baton_migrations_kept_total{reason="no-memory"}'), 1);
      t.deepEqual(rogue.inbox, [], 'and hears no more of it');
    },
  );

  labTest('a refused connection goes to another delivery when there is one', async (t) => {
    const rogue = await enlist(lab, t);
    const reply = send(lab.head.listen, REQUEST);
    const { id } = await rogue.next('adopt');
    await lab.head.drain('d1', false);
    rogue.say({ type: 'refused', id, reason: 'no-memory' });
    t.is((await reply).status, 200);
    await lab.head.drain('d1', true);
  });

  labTest('a delivery that dies before it has adopted costs nothing', async (t) => {
    const rogue = await enlist(lab, t);
    const outcomes = await outcomesDuring(lab, async () => {
      const reply = send(lab.head.listen, REQUEST);
      await rogue.next('adopt');
      rogue.die();
      // Nobody is left with a direct address.
      t.is((await reply).status, 503);
    });
    t.deepEqual(outcomes, { left: 1 });
  });

  labTest('a link that is reset before the delivery has adopted costs nothing', async (t) => {
    const rogue = await enlist(lab, t);
    const outcomes = await outcomesDuring(lab, async () => {
      const reply = send(lab.head.listen, REQUEST);
      await rogue.next('adopt');
      rogue.reset();
      t.is((await reply).status, 503);
    });
    t.deepEqual(outcomes, { left: 1 });
    t.is((await lab.head.status()).migration!.flows.count, 0);
  });

  labTest(
    'a link that is reset after the head has let go: whoever has the connection keeps it, and where nobody has, the client is told',
    async (t) => {
      const rogue = await enlist(lab, t);
      let id = -1;
      const outcomes = await outcomesDuring(lab, async () => {
        const reply = t.throwsAsync(send(lab.head.listen, REQUEST), { code: 'ECONNRESET' });
        ({ id } = await rogue.next('adopt'));
        rogue.say({ type: 'adopted', id, micros: 1 });
        t.is((await rogue.next('commit')).id, id);
        rogue.reset();
        // The word that it lives may have been lost, so the head does not speak for it: the kernel of that host does.
        await lab.untilStatus('it is dropped', ({ deliveries }) =>
          deliveries.every(({ name, state }) => name !== 'rogue' || state === 'down'),
        );
        await reply;
      });
      t.deepEqual(outcomes, { adopted: 1 }, 'and not one of which nothing is known');
      t.is((await lab.head.status()).migration!.flows.count, 1, 'until its delivery says that it has none');
      const again = await enlist(lab, t);
      await lab.untilStatus('the flow is forgotten', ({ migration }) => migration!.flows.count === 0);
      t.deepEqual(again.inbox, []);
    },
  );

  labTest('a delivery that does not answer in time loses the connection, and is told so', async (t) => {
    const rogue = await enlist(lab, t);
    const outcomes = await outcomesDuring(lab, async () => {
      const began = performance.now();
      const reply = send(lab.head.listen, REQUEST);
      const { id, withinMs } = await rogue.next('adopt');
      t.is(withinMs, ADOPT_TIMEOUT_MS);
      await isRedirected(lab, t, reply);
      const took = performance.now() - began;
      t.true(took >= ADOPT_TIMEOUT_MS && took < ADOPT_TIMEOUT_MS + 2000, `${took} ms`);
      t.is((await rogue.next('abort')).id, id);
      // Late: the head has spoken for the connection, so it gives no word to speak as well.
      rogue.say({ type: 'adopted', id, micros: 1 });
      rogue.say({ type: 'live', ids: [id] });
      const second = send(lab.head.listen, REQUEST);
      const next = await rogue.next('adopt');
      rogue.say({ type: 'refused', id: next.id, reason: 'no-memory' });
      await isRedirected(lab, t, second);
    });
    t.deepEqual(outcomes, { late: 1, refused: 1 });
    t.is(rogue.ended, undefined, 'lateness is no crime');
  });

  labTest(
    'a delivery that dies after the head has let go: the client is told, and does not hang',
    async (t) => {
      const rogue = await enlist(lab, t);
      const outcomes = await outcomesDuring(lab, async () => {
        const reply = t.throwsAsync(send(lab.head.listen, REQUEST), { code: 'ECONNRESET' });
        const { id } = await rogue.next('adopt');
        rogue.say({ type: 'adopted', id, micros: 1 });
        t.is((await rogue.next('commit')).id, id);
        rogue.die();
        await reply;
      });
      t.deepEqual(outcomes, { adopted: 1, unknown: 1 });
      t.is((await lab.head.status()).migration!.flows.count, 0);
    },
  );

  labTest('a delivery that fails to bring the connection to life: the client is told', async (t) => {
    const rogue = await enlist(lab, t, { credits: 1 });
    const outcomes = await outcomesDuring(lab, async () => {
      for (let i = 0; i < 2; i++) {
        const reply = t.throwsAsync(send(lab.head.listen, REQUEST), { code: 'ECONNRESET' });
        const { id } = await rogue.next('adopt');
        rogue.say({ type: 'adopted', id, micros: 1 });
        await rogue.next('commit');
        rogue.say({ type: 'refused', id, reason: 'no-memory' });
        // Its only credit is free again for the second.
        await reply;
      }
    });
    t.deepEqual(outcomes, { adopted: 2, unknown: 2 });
  });

  labTest(
    'a frozen delivery is dropped, and what it had adopted is steered until it may be forgotten',
    async (t) => {
      const rogue = await enlist(lab, t);
      const client = t.throwsAsync(send(lab.head.listen, REQUEST), { message: /silent|ECONNRESET/ });
      const { id } = await rogue.next('adopt');
      rogue.say({ type: 'adopted', id, micros: 1 });
      await rogue.next('commit');
      rogue.say({ type: 'live', ids: [id] });
      rogue.playDead();
      const { reason } = await rogue.next('dismissed');
      t.regex(reason, /ping/);
      const { migration, deliveries } = await lab.head.status();
      t.is(migration!.flows.count, 1, 'it may live on');
      t.is(deliveries.find(({ name }) => name === 'rogue')!.state, 'down');
      // It comes back and holds nothing: the flow is forgotten, and the head's kernel tells the client.
      rogue.die();
      const again = await enlist(lab, t);
      await lab.untilStatus('the flow is forgotten', (status) => status.migration!.flows.count === 0);
      await client;
      t.is(again.ended, undefined);
    },
  );

  for (const holds of [true, false]) {
    const what = holds
      ? 'stays its own when it comes back with it'
      : 'is reset when it comes back without it';
    labTest(`what a frozen delivery was given and had not said to live ${what}`, async (t) => {
      const rogue = await enlist(lab, t);
      const client = await open(lab.head.listen);
      t.teardown(async () => void client.destroy());
      let error = '';
      client.on('error', ({ code }: NodeJS.ErrnoException) => {
        error = code!;
      });
      client.write(REQUEST);
      const { id, state } = await rogue.next('adopt');
      rogue.say({ type: 'adopted', id, micros: 1 });
      await rogue.next('commit');
      rogue.playDead();
      await rogue.next('dismissed');
      t.is((await lab.head.status()).migration!.flows.count, 1);
      t.is(error, '', 'nobody has spoken for it');
      const outcomes = await outcomesDuring(lab, async () => {
        const keys = flowKey(decodeSaved(state));
        const again = await enlist(lab, t, {}, holds ? { ids: [id], keys } : undefined);
        if (!holds)
          await until(
            'a reset',
            () => error,
            (code) => code === 'ECONNRESET',
          );
        t.is((await lab.head.status()).migration!.flows.count, holds ? 1 : 0);
        t.is(error, holds ? '' : 'ECONNRESET');
        if (holds) again.say({ type: 'ended', closed: 1, gone: [id] });
      });
      t.deepEqual(outcomes, {});
    });
  }

  labTest('an urgent byte keeps a connection at its head', async (t) => {
    const rogue = await enlist(lab, t);
    const outcomes = await outcomesDuring(lab, async () => {
      const script = `
import socket
s = socket.create_connection(('${lab.head.listen.split(':')[0]}', ${lab.head.listen.split(':')[1]}))
# The last byte is the urgent one, and leaves in one segment with the request.
s.send(b'GET /bytes/10 HTTP/1.1\\r\\nHost: lab\\r\\n\\r\\n!', socket.MSG_OOB)
s.send(b'GET /bytes/10 HTTP/1.1\\r\\nHost: lab\\r\\n\\r\\n')
print(s.recv(100).split(b' ')[1].decode())`;
      const answer = await lab.network.host('client').run(['python3', '-c', script]);
      t.is(answer.trim(), '307');
    });
    t.deepEqual(outcomes, { not_movable: 1 });
    t.deepEqual(rogue.inbox, []);
  });

  labTest('a full table sends clients elsewhere and forgets no flow', async (t) => {
    await lab.head.drain('d1', false);
    const waiting = Array.from({ length: 64 }, () => visit(lab.head.listen, '/delay/2000'));
    await lab.untilStatus('the table is full', ({ migration }) => migration!.flows.count === 64);
    const { status, headers } = await send(lab.head.listen, REQUEST);
    t.is(status, 307);
    t.is(headers.location, `http://${lab.deliveries[0]!.direct}/bytes/10`);
    const answers = await Promise.all(waiting);
    t.deepEqual(
      answers.filter((answer) => answer.status !== 200),
      [],
    );
    t.true((await lab.metric('baton_migrations_kept_total{reason="steering-full"}')) >= 1);
    await untilNothingIsLeft(lab);
    t.is((await send(lab.head.listen, REQUEST)).status, 200);
    await lab.head.drain('d1', true);
  });

  labTest('nothing is left', async (t) => {
    t.like(await untilNothingIsLeft(lab), { open: 0 });
  });
}
