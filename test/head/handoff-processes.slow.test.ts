/** What clients see of a handoff while real deliveries and heads are killed, frozen, filled and stopped. */
import { text } from 'node:stream/consumers';
import test from 'ava';
import { assertAllAccountedFor, ONE_WORKER } from '../support/accounted.ts';
import { startCluster } from '../support/cluster.ts';
import { failed, visit, visitSteadily } from '../support/load.ts';
import { open, send } from '../support/raw-client.ts';

test.serial(
  'a killed delivery costs only what it had taken; the counts agree with what clients saw',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '2']);
    const doomed = cluster.deliveries[0]!;
    // Each is held for a while, so that the dying delivery has some.
    const running = visitSteadily(cluster.listen, '/delay/500', { count: 600, perSecond: 300 });
    await cluster.untilStatus(
      'half of them came, and it has some',
      ({ accepted, deliveries: [d1] }) => accepted > 300 && d1!.inUse - d1!.untaken > 5,
    );
    // Stopped first, so that what it holds can be counted.
    process.kill(doomed.pid, 'SIGSTOP');
    const held = (await cluster.status()).deliveries[0]!.inUse;
    process.kill(doomed.pid, 'SIGKILL');
    const visits = await running;
    const status = await cluster.untilStatus(
      'it is known',
      ({ deliveries }) => deliveries[0]!.state === 'down',
    );
    const [dead, survivor] = status.deliveries;
    const lost = failed(visits).length;
    t.true(lost > 0, 'some were in its hands');
    t.true(lost <= held, `it held ${held}, and ${lost} visits failed`);
    t.is(status.outcomes.handoff!.redirected, 0);
    t.is(status.outcomes.handoff!.unavailable, 0);
    t.is(dead!.taken + survivor!.taken, 600);
    t.is(600 - lost, survivor!.taken + (dead!.taken - lost), 'all that the survivor took were answered');
    await assertAllAccountedFor(t, cluster);
  },
);

test.serial(
  'a frozen delivery costs no visit of those that it had not taken, and comes back when it thaws',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '2', '--stall-timeout', '500ms']);
    const frozen = cluster.deliveries[0]!;
    t.teardown(async () => void process.kill(frozen.pid, 'SIGCONT'));
    const running = visitSteadily(cluster.listen, '/bytes/10', {
      count: 600,
      perSecond: 300,
      timeoutMs: 4000,
    });
    await cluster.untilStatus('some came', ({ accepted }) => accepted > 100);
    process.kill(frozen.pid, 'SIGSTOP');
    const { inUse, untaken } = (await cluster.status()).deliveries[0]!;
    await cluster.untilStatus('it is dropped', ({ deliveries }) =>
      deliveries.some((d) => d.state === 'down'),
    );
    const visits = await running;
    const { deliveries } = await cluster.status();
    process.kill(frozen.pid, 'SIGCONT');
    const lost = failed(visits);
    const held = deliveries.find(({ name }) => name === frozen.name)!;
    // A visit that it had taken and not answered when it froze is answered when it thaws, or times out here.
    t.true(
      lost.length <= Math.max(3, inUse - untaken),
      `${lost.length} visits failed: ${lost.map(({ error }) => error).join(', ')}`,
    );
    t.true(held.returned > 0, 'what it had not taken was taken back');
    await cluster.untilStatus('it is back', (now) => now.deliveries.every(({ state }) => state === 'up'));
    t.deepEqual(failed(await visitSteadily(cluster.listen, '/bytes/10', { count: 20, perSecond: 200 })), []);
    await assertAllAccountedFor(t, cluster);
  },
);

/** A connection that its delivery has until `finish` sends the rest of the request, and answers what came. */
async function hold(address: string) {
  const socket = await open(address);
  const answer = text(socket);
  socket.write('POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\n');
  return {
    finish() {
      socket.write('body');
      return answer;
    },
  };
}

test.serial(
  'credits are never exceeded: the next connection is told where to go, and without an address when to come back',
  async (t) => {
    const cluster = await startCluster(t, ONE_WORKER, []);
    await cluster.addDelivery('d1', '--credits', '2');
    const held = [await hold(cluster.listen), await hold(cluster.listen)];
    await cluster.untilStatus('both are taken', ({ deliveries }) => deliveries[0]!.inUse === 2);
    const third = await send(cluster.listen, 'GET /bytes/1 HTTP/1.1\r\nHost: x\r\n\r\n');
    t.is(third.status, 307);
    t.is(third.headers.location, `http://${cluster.deliveries[0]!.direct}/bytes/1`);
    await cluster.drain('d1', true);
    const fourth = await send(cluster.listen, 'GET /bytes/1 HTTP/1.1\r\nHost: x\r\n\r\n');
    t.is(fourth.status, 503);
    await cluster.drain('d1', false);
    for (const { finish } of held) t.regex(await finish(), /^HTTP\/1.1 200 .*body$/s);
    await cluster.untilStatus('the credits are back', ({ deliveries }) => deliveries[0]!.inUse === 0);
    t.like((await cluster.status()).outcomes.handoff, { taken: 2, redirected: 1, unavailable: 1 });
  },
);

test.serial(
  'a killed head breaks no connection that was handed over; its successor knows what deliveries still hold',
  async (t) => {
    const cluster = await startCluster(t, ONE_WORKER, ['d1']);
    const socket = await open(cluster.listen);
    const answer = text(socket);
    socket.write('POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\nfirst');
    await cluster.untilStatus('it is taken', ({ deliveries }) => deliveries[0]!.taken === 1);
    process.kill(cluster.head.pid, 'SIGKILL');
    await cluster.head.stop();
    await cluster.restartHead();
    const { deliveries } = await cluster.untilStatus(
      'd1 is back',
      (status) => status.deliveries[0]?.state === 'up',
    );
    t.is(deliveries[0]!.inUse, 1, 'the connection of before counts');
    t.is((await visit(cluster.listen, '/bytes/1')).status, 200);
    socket.write(' last');
    t.regex(await answer, /^HTTP\/1.1 200 .*first last$/s);
    await cluster.untilStatus('nothing is held', (status) => status.deliveries[0]!.inUse === 0);
  },
);

test.serial('a delivery that is told to stop finishes what it has and gets nothing more', async (t) => {
  const cluster = await startCluster(t, ['--workers', '2']);
  const running = visitSteadily(cluster.listen, '/delay/50', { count: 400, perSecond: 200 });
  await cluster.untilStatus('some came', ({ accepted }) => accepted > 100);
  await cluster.deliveries[0]!.stop();
  t.deepEqual(failed(await running), []);
  t.is((await cluster.status()).deliveries.filter(({ state }) => state === 'up').length, 1);
});

test.serial('stopping a delivery in redirect mode fails nobody who was sent to it', async (t) => {
  const cluster = await startCluster(t, ['--mode', 'redirect']);
  const running = visitSteadily(cluster.listen, '/delay/50', { count: 400, perSecond: 200 });
  await cluster.untilStatus('some came', ({ accepted }) => accepted > 100);
  await cluster.deliveries[0]!.stop();
  t.deepEqual(failed(await running), []);
});
