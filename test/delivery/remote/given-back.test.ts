/** What a delivery of another host has given back: mute and deaf until there is a word, and after the end of a link as well. */
import type { Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { AdoptedFlows } from '../../../delivery/remote/adopted-flows.ts';
import { GivenBack } from '../../../delivery/remote/given-back.ts';
import { EAGAIN } from '../../../shared/sys/libc.ts';
import { allocate } from '../../../shared/sys/memory.ts';
import { closeFd, peek } from '../../../shared/sys/sockets.ts';
import { decodeSaved, type Ends, endsOf } from '../../../shared/tcp-repair/index.ts';
import type { FromRemote } from '../../../shared/wire/remote/messages.ts';
import { acceptedConnections } from '../../support/accepted.ts';
import { asRoot } from '../../support/netns.ts';
import { until } from '../../support/until.ts';

const rootTest = asRoot([], test);
const memory = allocate(1024);

interface Stage {
  readonly flows: AdoptedFlows;
  readonly givenBack: GivenBack;
  readonly said: FromRemote[];
  /** The link that it begins with. */
  readonly say: (message: FromRemote) => void;
  readonly client: Socket;
  readonly heard: () => string;
  readonly fd: number;
  readonly words: boolean[];
  give(): string;
}

let ids = 0;
async function setUp(t: ExecutionContext): Promise<Stage> {
  const { clients, fds } = await acceptedConnections(t, 1);
  const [client] = clients as [Socket];
  const [fd] = fds as [number];
  let heard = '';
  client.on('data', (part) => (heard += part));
  client.on('end', () => (heard += '<FIN>'));
  client.on('error', (error: NodeJS.ErrnoException) => (heard += `<${error.code}>`));
  const flows = new AdoptedFlows();
  const { account } = flows.describe(() => false);
  const id = ++ids;
  flows.reserve(id);
  flows.add(id, endsOf(fd) as Ends, fd, account);
  const said: FromRemote[] = [];
  const givenBack = new GivenBack(flows);
  const say = (message: FromRemote) => void said.push(message);
  givenBack.attach(say);
  const words: boolean[] = [];
  return {
    flows,
    givenBack,
    said,
    say,
    client,
    heard: () => heard,
    fd,
    words,
    give: () =>
      givenBack.give({
        fd,
        id: id.toString(36),
        state: undefined,
        settle(isMoved) {
          words.push(isMoved);
          // As a held socket that is let go.
          if (isMoved) closeFd(fd);
        },
      }),
  };
}

const given = ({ said }: Stage) => said.at(-1) as FromRemote & { type: 'give' };
const untilUnread = ({ fd }: Stage) =>
  until(
    'it has come',
    () => peek(fd, memory, 0, 100),
    (n) => n > 0,
  );
const untilHeard = (stage: Stage, text: RegExp) => until(`${text}`, stage.heard, (heard) => text.test(heard));

rootTest('what is given hears nothing until it is kept, and loses nothing', async (t) => {
  const stage = await setUp(t);
  stage.client.write('before');
  await untilUnread(stage);
  t.is(stage.give(), 'given');
  t.is(Buffer.from(decodeSaved(given(stage).state).received).toString(), 'before');
  stage.client.write(' and meanwhile');
  await new Promise((resolve) => setTimeout(resolve, 50));
  stage.givenBack.hear(given(stage).id, false);
  t.deepEqual(stage.words, [false]);
  await until(
    'all has come',
    () => peek(stage.fd, memory, 0, 100),
    (n) => n === 20,
  );
  t.is(memory.bytes.toString('latin1', 0, 20), 'before and meanwhile');
  // A word about what is settled.
  stage.givenBack.hear(given(stage).id, true);
  t.deepEqual(stage.words, [false]);
  closeFd(stage.fd);
});

rootTest('what its application closes meanwhile ends for the client only when it is kept', async (t) => {
  const stage = await setUp(t);
  t.is(stage.give(), 'given');
  closeFd(stage.fd);
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.is(stage.heard(), '');
  stage.givenBack.hear(given(stage).id, false);
  await untilHeard(stage, /<FIN>|<ECONNRESET>/);
});

rootTest(
  'what has moved says nothing, answers late packets with nothing, and is gone a second later',
  async (t) => {
    const stage = await setUp(t);
    t.is(stage.give(), 'given');
    stage.givenBack.hear(given(stage).id, true);
    t.deepEqual(stage.words, [true]);
    stage.client.write('late');
    await new Promise((resolve) => setTimeout(resolve, 300));
    t.is(stage.heard(), '');
    // Here nobody else has it, so that the kernel says so to the packet that is sent again.
    await untilHeard(stage, /<ECONNRESET>/);
  },
);

rootTest('what has no word at the end of a link waits for the next one', async (t) => {
  const stage = await setUp(t);
  t.is(stage.give(), 'given');
  const { id } = given(stage);
  stage.givenBack.detach(stage.say);
  t.true(stage.givenBack.isDoubtful(id));
  t.deepEqual(stage.words, []);
  const next = () => {};
  stage.givenBack.attach(next);
  stage.givenBack.hear(id, false);
  t.false(stage.givenBack.isDoubtful(id));
  t.is(peek(stage.fd, memory, 0, 1), EAGAIN);
  t.is(stage.give(), 'given');
  // The next head is of a release that says no word.
  stage.givenBack.detach(next);
  stage.givenBack.giveUp();
  t.deepEqual(stage.words, [false, true]);
  t.is(stage.heard(), '');
});

rootTest('the end of a link to a head that was left is nothing to the next one', async (t) => {
  const stage = await setUp(t);
  stage.givenBack.attach((message) => void stage.said.push(message));
  stage.givenBack.detach(stage.say);
  t.is(stage.give(), 'given');
  stage.givenBack.hear(given(stage).id, false);
  t.deepEqual(stage.words, [false]);
});

rootTest('without a head, and with too many on their way, nothing is given', async (t) => {
  const stage = await setUp(t);
  stage.givenBack.detach(stage.say);
  t.is(stage.give(), 'full');
  const { clients, fds } = await acceptedConnections(t, 65);
  stage.givenBack.attach((message) => void stage.said.push(message));
  const answers = fds.map((fd, i) =>
    stage.givenBack.give({ fd, id: (1000 + i).toString(36), state: undefined, settle() {} }),
  );
  t.deepEqual(answers, [...Array(64).fill('given'), 'full']);
  for (const { id } of stage.said as { id: number }[]) stage.givenBack.hear(id, false);
  t.is(clients.length, 65);
  fds.forEach(closeFd);
  closeFd(stage.fd);
});

rootTest('what is no connection any more is not given', async (t) => {
  const stage = await setUp(t);
  stage.client.resetAndDestroy();
  await until(
    'it is reset',
    () => peek(stage.fd, memory, 0, 1),
    (n) => n !== EAGAIN,
  );
  t.is(stage.give(), 'not now');
  t.deepEqual(stage.said, []);
  closeFd(stage.fd);
});
