/** What becomes of connections when a lane fails, and the link does not. */
import test from 'ava';
import { asRoot } from './netns.ts';
import { type LabForTests, untilNothingIsLeft } from './netns-lab.ts';
import { open, send } from './raw-client.ts';
import { enlist, isRedirected, outcomesDuring, REQUEST, startRogueLab } from './rogue-lab.ts';
import { until } from './until.ts';

const labTest = asRoot([], test.serial);

/** The tests of a file. */
export function testLaneFaults(): void {
  let lab: LabForTests;
  const lanes = { lanes: true } as const;
  const untilDropped = () =>
    lab.untilStatus('it is dropped', ({ deliveries }) =>
      deliveries.every(({ name, state }) => name !== 'rogue' || state === 'down'),
    );

  labTest('another lab whose only delivery is drained', async (t) => {
    lab = await startRogueLab();
    t.is((await lab.head.status()).migration!.flows.count, 0);
  });

  labTest('connections come over the lane, and not over the link', async (t) => {
    const rogue = await enlist(lab, t, lanes);
    const outcomes = await outcomesDuring(lab, async () => {
      const reply = send(lab.head.listen, REQUEST);
      const { id } = await rogue.next('adopt');
      t.true(rogue.lanes.say({ type: 'refused', id, reason: 'no-memory' }), 'it is of a lane');
      await isRedirected(lab, t, reply);
    });
    t.deepEqual(outcomes, { refused: 1 });
  });

  labTest(
    'a lane that ends before the delivery has adopted costs nothing, and the delivery is let go',
    async (t) => {
      const rogue = await enlist(lab, t, lanes);
      const outcomes = await outcomesDuring(lab, async () => {
        const reply = send(lab.head.listen, REQUEST);
        await rogue.next('adopt');
        rogue.lanes.close();
        t.regex((await rogue.next('dismissed')).reason, /one of its lanes has ended/);
        t.is((await reply).status, 503);
        await untilDropped();
      });
      t.deepEqual(outcomes, { left: 1 });
    },
  );

  labTest('a lane that ends after the head has let go: whoever has the connection keeps it', async (t) => {
    const rogue = await enlist(lab, t, lanes);
    const client = await open(lab.head.listen);
    t.teardown(async () => void client.destroy());
    let error = '';
    client.on('error', ({ code }: NodeJS.ErrnoException) => {
      error = code!;
    });
    client.write(REQUEST);
    const { id } = await rogue.next('adopt');
    rogue.say({ type: 'adopted', id, micros: 1 });
    await rogue.next('commit');
    rogue.lanes.close();
    await untilDropped();
    t.is(error, '', 'nobody has spoken for it');
    t.is((await lab.head.status()).migration!.flows.count, 1);
    // And when it comes back without it, the head does.
    await enlist(lab, t, lanes);
    await until(
      'a reset',
      () => error,
      (code) => code === 'ECONNRESET',
    );
  });

  for (const [what, message] of [
    ['what is no message', { type: 'nonsense' }],
    ['what belongs on the link', { type: 'ended', closed: 1, gone: [] }],
    ['an answer to a ping', { type: 'pong', direct: 0 }],
  ] as const) {
    labTest(`a delivery that says ${what} on a lane is let go, and costs nothing`, async (t) => {
      const rogue = await enlist(lab, t, lanes);
      const reply = send(lab.head.listen, REQUEST);
      await rogue.next('adopt');
      rogue.lanes.sayToAll(message);
      const { reason } = await rogue.next('dismissed');
      t.regex(reason, /the peer broke the protocol/);
      t.is((await reply).status, 503);
    });
  }

  labTest('nothing is left of the lanes', async (t) => {
    t.like(await untilNothingIsLeft(lab), { open: 0 });
  });
}
