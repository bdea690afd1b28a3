/** What a delivery does when its head says that another one is about to take over: this file is both of them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { baton } from '../../../infra/lab/service.ts';
import { closeFd } from '../../../shared/sys/sockets.ts';
import { formatHostPort } from '../../../shared/units.ts';
import type { OpenedLane } from '../../../shared/wire/remote/front-door.ts';
import { LaneSocket } from '../../../shared/wire/remote/lane-socket.ts';
import { listenForLinks, type ServerLink } from '../../../shared/wire/remote/link.ts';
import { checkFromRemote, type FromRemote } from '../../../shared/wire/remote/messages.ts';
import { Opener, Sealer } from '../../../shared/wire/remote/sealed.ts';
import { enterNamespace } from '../../support/enter-namespace.ts';
import { asRoot, startNetwork } from '../../support/netns.ts';
import { offeredState } from '../../support/offered-state.ts';
import { until } from '../../support/until.ts';

const labTest = asRoot([], test.serial);
const secret = Buffer.from('a secret of a test, long enough');

interface Heard {
  readonly link: ServerLink;
  readonly said: FromRemote[];
  ended: string | undefined;
}

async function start(t: ExecutionContext) {
  const network = await startNetwork(t, 1);
  const { v4: vip } = network.topology.vip;
  const file = join(network.directory, 'secret');
  writeFileSync(file, secret, { mode: 0o600 });
  enterNamespace(network.host('head').namespace);
  const links: Heard[] = [];
  const control = { host: '10.77.0.2', port: 9001 };
  const server = await listenForLinks(
    control,
    '--control',
    { secret, idleMs: 60_000 },
    {
      onLink(link) {
        const heard: Heard = { link, said: [], ended: undefined };
        links.push(heard);
        return {
          onMessage: (value) => void heard.said.push(checkFromRemote(value)),
          onEnd(reason) {
            heard.ended = reason;
          },
        };
      },
      onRefused: (_, reason) => t.fail(reason),
    },
  );
  t.teardown(server.close);
  const starting = network
    .host('d1')
    .start([
      ...baton,
      ...['delivery', '--name', 'd1', '--secret', file, '--vip', vip, '--head', formatHostPort(control)],
      ...['--direct', '10.77.0.11:8080', '--drain-timeout', '200ms'],
    ]);
  t.teardown(async () => (await starting.catch(() => undefined))?.stop());
  /** The link with this number, once the delivery has said hello on it. */
  const hello = (index: number) =>
    until(
      `link ${index}`,
      () => links[index]?.said[0],
      (message) => message?.type === 'hello',
    );
  const ended = (index: number) =>
    until(
      `the end of link ${index}`,
      () => links[index]!.ended,
      (reason) => reason !== undefined,
    );
  /** It is registered here, as its answers show. */
  const answers = async (index: number) => {
    const before = links[index]!.said.length;
    links[index]!.link.send({ type: 'ping' });
    await until(
      'a pong',
      () => links[index]!.said.slice(before).some(({ type }) => type === 'pong'),
      Boolean,
    );
  };
  const say = (index: number, message: object) => void links[index]!.link.send(message);
  const first = await hello(0);
  t.like(first, { version: 1, successors: true });
  say(0, { type: 'welcome', version: 1 });
  return { links, hello, ended, answers, say, delivery: await starting };
}

labTest(
  'it makes one link more, however often it is told, and lives with its end; the welcome there ends the one before',
  async (t) => {
    const { links, hello, ended, answers, say } = await start(t);
    for (let i = 0; i < 100; i++) say(0, { type: 'successor' });
    t.like(await hello(1), { version: 3, active: 0, flows: 0 });
    await answers(0);
    t.is(links.length, 2);
    // There is no successor: nothing has been.
    links[1]!.link.close();
    await answers(0);
    // What it has asked before counts as gone only when the delivery has read of its end.
    await until(
      'a third link',
      () => {
        say(0, { type: 'successor' });
        return links.length;
      },
      (count) => count === 3,
    );
    await hello(2);
    // One that speaks out of turn is none.
    say(2, { type: 'adopt', id: 1, withinMs: 1000, state: Buffer.from('x') });
    await ended(2);
    await answers(0);
    await until(
      'a fourth link',
      () => {
        say(0, { type: 'successor' });
        return links.length;
      },
      (count) => count === 4,
    );
    await hello(3);
    say(3, { type: 'welcome', version: 3 });
    await ended(0);
    await answers(3);
    t.is(links.length, 4);
    // The next one, which its head names before it lets it go.
    say(3, { type: 'successor' });
    await hello(4);
    say(3, { type: 'dismissed', reason: 'another head takes over', successor: true });
    say(4, { type: 'welcome', version: 3 });
    await answers(4);
    t.is(links.length, 5);
  },
);

labTest(
  'a head that dies while its successor has not taken over yet: the link that is there is waited for',
  async (t) => {
    const { links, hello, answers, say, delivery } = await start(t);
    say(0, { type: 'successor' });
    await hello(1);
    links[0]!.link.close();
    // It has read of the end, and asks nobody else meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 300));
    t.is(links.length, 2);
    say(1, { type: 'welcome', version: 3 });
    await answers(1);
    // And where that one dies as well it goes on to ask.
    say(1, { type: 'successor' });
    await hello(2);
    links[1]!.link.close();
    links[2]!.link.close();
    await hello(3);
    say(3, { type: 'welcome', version: 1 });
    await answers(3);
    // It leaves with two links, one of which is welcomed at the last moment.
    say(3, { type: 'successor' });
    await hello(4);
    const stopped = delivery.stop();
    await until('it takes leave', () => links[3]!.said.some(({ type }) => type === 'draining'), Boolean);
    say(4, { type: 'welcome', version: 3 });
    say(3, { type: 'drained' });
    await stopped;
    await until(
      'both links have ended',
      () => [links[3]!.ended, links[4]!.ended],
      (all) => all.every((reason) => reason !== undefined),
    );
    t.is(links.length, 5);
  },
);

labTest(
  'lanes that are offered ahead are opened then, and heard once it is welcome; offered again they end the link',
  async (t) => {
    const { links, hello, ended, answers, say } = await start(t);
    const offer = async (index: number, lanes: number) => {
      const opened: OpenedLane[] = [];
      links[index]!.link.offerLanes({ count: lanes, onLane: (lane) => opened.push(lane) });
      say(index, { type: 'ahead', lanes });
      await until(
        'all of them are open',
        () => opened.length,
        (count) => count === lanes,
      );
      return opened.map(
        ({ fd, keys }) => new LaneSocket(fd, new Sealer(keys.toDelivery), new Opener(keys.toHead, 1)),
      );
    };
    say(0, { type: 'successor' });
    t.like(await hello(1), { ahead: true, lanes: true });
    const twice = await offer(1, 3);
    say(1, { type: 'ahead', lanes: 3 });
    await ended(1);
    for (const { fd } of twice) closeFd(fd);
    await answers(0);
    await until(
      'another link',
      () => {
        say(0, { type: 'successor' });
        return links.length;
      },
      (count) => count === 3,
    );
    await hello(2);
    const lanes = await offer(2, 3);
    const state = offeredState(Uint8Array.of(10, 0, 0, 100));
    for (const lane of lanes) {
      lane.send({ type: 'open' });
      lane.send({ type: 'adopt', id: 1, withinMs: 1000, state });
      lane.flush();
    }
    // It goes on with the head that it has, and has nothing to say to the other.
    await answers(0);
    for (const lane of lanes) t.deepEqual(lane.read(), []);
    say(2, { type: 'welcome', version: 3 });
    for (const lane of lanes) {
      const said: unknown[] = [];
      await until(
        'an answer',
        () => said.push(...lane.read()),
        (count) => count > 0,
      );
      t.like(said[0], { type: 'refused', id: 1, reason: 'address-not-here' });
    }
    await ended(0);
    await answers(2);
    // One that has been welcomed is offered nothing ahead.
    say(2, { type: 'ahead', lanes: 3 });
    await ended(2);
    for (const { fd } of lanes) closeFd(fd);
    await hello(3);
  },
);
