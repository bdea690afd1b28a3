import { createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { Admission } from '../../delivery/admit.ts';
import { Connections } from '../../delivery/connections.ts';
import { Feed } from '../../delivery/feed.ts';
import { DeliveryLane } from '../../delivery/lane.ts';
import { createLogger } from '../../shared/log.ts';
import { EAGAIN } from '../../shared/sys/libc.ts';
import { allocate } from '../../shared/sys/memory.ts';
import { createFdMessenger } from '../../shared/sys/pass-fds.ts';
import { closeFd, receive } from '../../shared/sys/sockets.ts';
import { seqpacketPair } from '../../shared/sys/unix-sockets.ts';
import {
  CONNECTIONS,
  ENDED,
  LANE_MESSAGE_MAX,
  laneMessage,
  readLane,
  TAKEN,
  writeRange,
} from '../../shared/wire/lane.ts';
import { acceptedConnections } from '../support/accepted.ts';
import { until } from '../support/until.ts';

const inbox = allocate(4096);
const messenger = createFdMessenger(LANE_MESSAGE_MAX);

/** A lane whose head this file plays. */
function laneTo(t: ExecutionContext, isShort: boolean, onConnection: () => void = () => {}) {
  const [headEnd, deliveryEnd] = seqpacketPair();
  const connections = new Connections('d1', () => {});
  const server = createServer(onConnection);
  const feed = new Feed(new Admission(server, connections, createLogger('test')), connections);
  const lane = new DeliveryLane(deliveryEnd, feed, {
    arrivalOf: (id) => ({ id: String(id), transport: 'fd', closed: () => true }),
    isShort: () => isShort,
    onEnd: () => {},
  });
  t.teardown(() => {
    lane.close();
    connections.destroyAll();
    feed.end();
    closeFd(headEnd);
  });
  return {
    lane,
    connections,
    offer(fds: readonly number[]): void {
      messenger.fds.set(fds);
      messenger.send(headEnd, writeRange(messenger.bytes, CONNECTIONS, 0, fds.length), fds.length);
      fds.forEach(closeFd);
    },
    /** What the delivery has said: kind, first and count; or undefined. */
    heard(): [number, number, number] | undefined {
      const n = receive(headEnd, inbox, 0, 4096);
      if (n === EAGAIN || !readLane(inbox.bytes, n)) return undefined;
      return [laneMessage.kind, laneMessage.first, laneMessage.count];
    },
  };
}

test('where credits are few, connections that end in one turn are told of after it; elsewhere with more', async (t) => {
  const few = laneTo(t, true);
  const many = laneTo(t, false);
  for (const { lane } of [few, few, many]) lane.connectionEnded();
  t.is(few.heard(), undefined);
  await turn();
  t.deepEqual(few.heard(), [ENDED, 0, 2]);
  t.is(many.heard(), undefined);
  t.deepEqual(await until('the report', many.heard, (heard) => heard !== undefined), [ENDED, 0, 1]);
});

test('what ends after others were told of has its own time, and a message that comes tells of what waits', async (t) => {
  const { lane, offer, heard } = laneTo(t, false);
  const next = () => until('a report', heard, (said) => said !== undefined);
  lane.connectionEnded();
  const endedAt = performance.now();
  await until(
    'it has waited',
    () => performance.now() - endedAt,
    (ms) => ms > 20,
  );
  const { fds } = await acceptedConnections(t, 1);
  offer(fds);
  t.deepEqual(await next(), [ENDED, 0, 1]);
  t.deepEqual(await next(), [TAKEN, 0, 1]);
  lane.connectionEnded();
  lane.connectionEnded();
  const begun = performance.now();
  t.deepEqual(await next(), [ENDED, 0, 2], 'by the time of the second, and by one message');
  t.true(performance.now() - begun > 40, `${performance.now() - begun} ms`);
});

test('no more is taken ahead than a turn of the event loop serves: the rest stays the head\u2019s', async (t) => {
  const taken: number[] = [];
  const served: number[] = [];
  let count = 0;
  const { offer, heard } = laneTo(t, false, () => {
    count++;
    for (let said = heard(); said?.[0] === TAKEN; said = heard()) taken.push(said[2]);
    served.push(taken.reduce((sum, n) => sum + n, 0) - count);
  });
  const { fds } = await acceptedConnections(t, 200);
  offer(fds);
  await until(
    'all are served',
    () => count,
    (n) => n === 200,
  );
  t.is(
    taken.reduce((sum, n) => sum + n, 0),
    200,
  );
  t.true(Math.max(...served) <= 64, `${Math.max(...served)} taken and not served`);
});

test('messages that wait one behind the other are all taken, whatever comes after them', async (t) => {
  let count = 0;
  const { offer } = laneTo(t, false, () => {
    count++;
  });
  const { fds } = await acceptedConnections(t, 40);
  for (const fd of fds) offer([fd]);
  await until(
    'all are served, and nothing else has come to wake it',
    () => count,
    (n) => n === 40,
  );
  t.is(count, 40);
});
