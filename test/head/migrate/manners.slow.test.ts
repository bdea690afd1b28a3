/** What a delivery of another host may not say, and what becomes of one that says it. */
import test from 'ava';
import { REMOTE_VERSION } from '../../../shared/wire/remote/messages.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, untilNothingIsLeft } from '../../support/netns-lab.ts';
import { send } from '../../support/raw-client.ts';
import { enlist, isRedirected, REQUEST, startRogueLab } from '../../support/rogue-lab.ts';
import { type RogueRemote, startRogueRemote } from '../../support/rogue-remote.ts';
import { until } from '../../support/until.ts';

const labTest = asRoot([], test.serial);

let lab: LabForTests;
labTest('a lab whose only delivery is drained', async (t) => {
  lab = await startRogueLab();
  t.is((await lab.head.status()).deliveries[0]!.state, 'draining');
});

for (const [what, breakIt, problem] of [
  [
    'more closed than it had adopted',
    (rogue) => rogue.say({ type: 'ended', closed: 1, gone: [] }),
    /more closed/,
  ],
  ['a second hello', (rogue) => rogue.say({ type: 'hello' }), /a bad/],
  ['what is not a message', (rogue) => rogue.say({ type: 'nonsense' }), /a bad/],
  [
    'what is not a reason',
    (rogue) => rogue.say({ type: 'refused', id: 1, reason: 'bad luck' }),
    /a bad reason/,
  ],
  [
    'holdings after its welcome',
    (rogue) => rogue.say({ type: 'holding', ids: [], keys: Buffer.alloc(0) }),
    /holding/,
  ],
] as readonly (readonly [string, (rogue: RogueRemote) => void, RegExp])[]) {
  labTest(
    `a delivery that says ${what} is dropped with the reason, and loses only what is on its way`,
    async (t) => {
      const rogue = await enlist(lab, t);
      const reply = send(lab.head.listen, REQUEST);
      const { id } = await rogue.next('adopt');
      breakIt(rogue);
      t.is((await rogue.next('abort')).id, id);
      t.regex((await rogue.next('dismissed')).reason, problem);
      await until(
        'the end of the link',
        () => rogue.ended,
        (ended) => ended !== undefined,
      );
      t.is((await reply).status, 503);
    },
  );
}

labTest('why connections begin anew at a delivery is shown, as it says it', async (t) => {
  const resumesOf = async () => (await lab.head.status()).deliveries.find(({ name }) => name === 'rogue');
  t.false('beginsAnew' in (await lab.head.status()).deliveries[0]!);
  await enlist(lab, t, { resumes: 'bpf(PROG_LOAD): operation not permitted (EPERM)' });
  t.is((await resumesOf())!.beginsAnew, 'bpf(PROG_LOAD): operation not permitted (EPERM)');
});

labTest('words about connections that it never got are ignored', async (t) => {
  const rogue = await enlist(lab, t);
  rogue.say({ type: 'adopted', id: 12_345, micros: 1 });
  rogue.say({ type: 'live', ids: [12_345] });
  rogue.say({ type: 'refused', id: 12_345, reason: 'no-memory' });
  rogue.say({ type: 'ended', closed: 0, gone: [12_345] });
  const reply = send(lab.head.listen, REQUEST);
  rogue.say({ type: 'refused', id: (await rogue.next('adopt')).id, reason: 'no-memory' });
  await isRedirected(lab, t, reply);
});

labTest('a delivery that says names is given what asks for them, and no other', async (t) => {
  const rogue = await enlist(lab, t, { version: 2, serves: ['*.remote.example'] });
  const { deliveries } = await lab.head.status();
  t.deepEqual(deliveries.find(({ name }) => name === 'rogue')!.serves, ['*.remote.example']);
  const asked = send(lab.head.listen, REQUEST.replace('lab', 'A.Remote.Example:80'));
  const { id } = await rogue.next('adopt');
  rogue.say({ type: 'refused', id, reason: 'no-memory' });
  await isRedirected(lab, t, asked);
  // d1, which serves every name, is drained, and stays the one to ask.
  t.is((await send(lab.head.listen, REQUEST)).status, 503);
});

for (const [what, hello, code] of [
  ['another version', { version: REMOTE_VERSION + 1 }, 'VERSION_MISMATCH'],
  ['a name that is taken', { name: 'd1' }, 'NAME_TAKEN'],
  ['no hello that is one', { credits: 0 }, 'PROTOCOL'],
  ['a reason that a terminal would obey', { resumes: '\x1b[2J' }, 'PROTOCOL'],
  ['a reason without an end', { resumes: 'x'.repeat(257) }, 'PROTOCOL'],
] as const) {
  labTest(`a delivery with ${what} is rejected with a code`, async (t) => {
    lab.enter('d1');
    const rogue = await startRogueRemote(lab.control, lab.secret, hello);
    lab.enter('client');
    t.is((await rogue.next('rejected')).code, code);
    await until(
      'the end of the link',
      () => rogue.ended,
      (ended) => ended !== undefined,
    );
  });
}

labTest(
  'a delivery that says more than it announced, while it is being registered, is rejected',
  async (t) => {
    lab.enter('d1');
    const more = { type: 'holding', ids: [], keys: Buffer.alloc(0) };
    const rogue = await startRogueRemote(lab.control, lab.secret, { name: 'wordy' }, [more]);
    lab.enter('client');
    t.is((await rogue.next('rejected')).code, 'PROTOCOL');
    await lab.untilStatus(
      'it is no member',
      ({ deliveries }) => !deliveries.some(({ name, state }) => name === 'wordy' && state !== 'down'),
    );
  },
);

labTest('a delivery that is not on the segment of the head is rejected', async (t) => {
  lab.enter('head');
  const rogue = await startRogueRemote(lab.control, lab.secret);
  lab.enter('client');
  t.is((await rogue.next('rejected')).code, 'NOT_ON_SEGMENT');
});

labTest('nothing is left', async (t) => {
  t.like(await untilNothingIsLeft(lab), { open: 0 });
});
