/** For each step of a handoff: what if the delivery dies right here, stops, answers twice or late, or talks nonsense? */
import { text } from 'node:stream/consumers';
import test from 'ava';
import { closeFd } from '../../shared/sys/sockets.ts';
import { encodeControl } from '../../shared/wire/control.ts';
import { RETURNED, TAKEN } from '../../shared/wire/lane.ts';
import { type Cluster, countFds, startCluster } from '../support/cluster.ts';
import { failed, visit, visitSteadily } from '../support/load.ts';
import { open, send } from '../support/raw-client.ts';
import { startRogue } from '../support/rogue.ts';
import { until } from '../support/until.ts';

const ONE_WORKER = ['--workers', '1'] as const;

/** Every accepted connection has ended in exactly one of the ways that are counted. */
async function assertAllAccountedFor(
  t: { is(a: unknown, b: unknown, m?: string): void },
  cluster: Cluster,
): Promise<void> {
  const status = await cluster.untilStatus(
    'nothing is open',
    ({ open, lingering }) => open + lingering === 0,
  );
  const ends = [...Object.values(status.outcomes), status.inspectionFailures].flatMap((counts) =>
    Object.values(counts),
  );
  t.is(
    ends.reduce((sum, count) => sum + count, 0),
    status.accepted,
    'all accepted connections are accounted for',
  );
}

test.serial(
  'a delivery that dies before it took a connection costs nothing: another serves it',
  async (t) => {
    const cluster = await startCluster(t, ONE_WORKER, ['d1']);
    await cluster.drain('d1', true);
    const rogue = await startRogue(cluster.socket);
    const visiting = visit(cluster.listen, '/whoami');
    const offer = await rogue.offered();
    t.is(offer.fds.length, 1);
    await cluster.drain('d1', false);
    offer.fds.forEach(closeFd);
    rogue.die();
    const answer = await visiting;
    t.is(answer.status, 200, answer.error);
    t.is(JSON.parse(answer.body).delivery, 'd1');
    const { deliveries } = await cluster.untilStatus('d1 has nothing', (status) =>
      status.deliveries.every((d) => d.inUse === 0),
    );
    t.like(
      deliveries.find(({ name }) => name === 'rogue'),
      { state: 'down', taken: 0, returned: 1, untaken: 0 },
    );
    t.like(
      deliveries.find(({ name }) => name === 'd1'),
      { taken: 1, returned: 0, untaken: 0 },
    );
    await assertAllAccountedFor(t, cluster);
  },
);

test.serial(
  'a delivery that dies after it took a connection takes that one with it, and no other',
  async (t) => {
    const cluster = await startCluster(t, ONE_WORKER, ['d1']);
    await cluster.drain('d1', true);
    const rogue = await startRogue(cluster.socket);
    const doomed = visit(cluster.listen, '/whoami');
    const offer = await rogue.offered();
    rogue.say(TAKEN, offer.first, 1);
    await cluster.untilStatus('it is taken', (status) => status.open === 0);
    await cluster.drain('d1', false);
    await cluster.drain('rogue', true);
    offer.fds.forEach(closeFd);
    rogue.die();
    const lost = await doomed;
    t.is(lost.status, 0);
    t.is((await visit(cluster.listen, '/whoami')).status, 200);
    await assertAllAccountedFor(t, cluster);
  },
);

test.serial(
  'a delivery that leaves connections untaken is let go after the stall timeout, and may not take them then',
  async (t) => {
    const cluster = await startCluster(t, [...ONE_WORKER, '--stall-timeout', '500ms'], ['d1']);
    await cluster.drain('d1', true);
    const rogue = await startRogue(cluster.socket);
    const visiting = visit(cluster.listen, '/whoami');
    const offer = await rogue.offered();
    await cluster.drain('d1', false);
    const answer = await visiting;
    t.is(answer.status, 200, answer.error);
    t.is(JSON.parse(answer.body).delivery, 'd1');
    t.true(rogue.say(TAKEN, offer.first, 1) < 0, 'its taken can not be sent any more');
    offer.fds.forEach(closeFd);
    rogue.die();
    await assertAllAccountedFor(t, cluster);
  },
);

test.serial(
  'connections in the lane of a frozen delivery come back, and it does not keep their ends open',
  async (t) => {
    const cluster = await startCluster(t, [...ONE_WORKER, '--stall-timeout', '500ms'], ['d1']);
    await cluster.drain('d1', true);
    // It reads nothing: the fds stay in its socket, where only the head can reach them.
    const rogue = await startRogue(cluster.socket);
    const visiting = visit(cluster.listen, '/bytes/10');
    await cluster.untilStatus('it is on its way', ({ deliveries }) =>
      deliveries.some(({ untaken }) => untaken === 1),
    );
    await cluster.drain('d1', false);
    // The answer ends with the connection, so a copy of the fd that was forgotten somewhere would keep it from ending.
    const answer = await visiting;
    t.is(answer.status, 200, answer.error);
    await t.throwsAsync(
      until(
        'an offer',
        () => rogue.offered(),
        () => true,
        100,
      ),
      undefined,
      'nothing is left in its lane',
    );
    rogue.die();
  },
);

test.serial('what one delivery returns another gets; what none takes is told where to go', async (t) => {
  const cluster = await startCluster(t, ONE_WORKER, ['d1']);
  await cluster.drain('d1', true);
  const rogue = await startRogue(cluster.socket);
  const visiting = visit(cluster.listen, '/whoami');
  const offer = await rogue.offered();
  offer.fds.forEach(closeFd);
  await cluster.drain('d1', false);
  rogue.say(RETURNED, offer.first, 1);
  t.is(JSON.parse((await visiting).body).delivery, 'd1');

  await cluster.drain('d1', true);
  const alone = send(cluster.listen, 'GET /bytes/1 HTTP/1.1\r\nHost: x\r\n\r\n');
  const again = await rogue.offered();
  again.fds.forEach(closeFd);
  rogue.say(RETURNED, again.first, 1);
  const refusal = await alone;
  t.is(refusal.status, 503);
  t.is(refusal.headers['retry-after'], '1');
  rogue.die();
  await assertAllAccountedFor(t, cluster);
});

test.serial('a copy that a delivery keeps of what it returned does not keep the head busy', async (t) => {
  const cluster = await startCluster(t, ONE_WORKER, []);
  const rogue = await startRogue(cluster.socket);
  const socket = await open(cluster.listen);
  const answer = text(socket);
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const offer = await rogue.offered();
  rogue.say(RETURNED, offer.first, 1);
  t.regex(await answer, /^HTTP\/1.1 503 /);
  socket.destroy();
  await cluster.untilStatus('the head is done with it', (status) => status.open === 0);
  const cpuMicros = async () => {
    const { cpu } = await cluster.status();
    return cpu.userMicros + cpu.systemMicros;
  };
  const before = await cpuMicros();
  const began = performance.now();
  await until(
    'a second has passed',
    () => performance.now() - began,
    (millis) => millis > 1000,
  );
  const used = (await cpuMicros()) - before;
  // Spinning takes all of a core; a tenth of one is left for asking.
  t.true(used < 300_000, `${used} us of CPU`);
  offer.fds.forEach(closeFd);
  rogue.die();
});

test.serial('a delivery that returns what it is given is passed over, for longer each time', async (t) => {
  const cluster = await startCluster(t, ONE_WORKER, ['d1']);
  const rogue = await startRogue(cluster.socket);
  const visiting = visitSteadily(cluster.listen, '/bytes/1', { count: 200, perSecond: 100 });
  let done = false;
  let offers = 0;
  const returning = (async () => {
    while (!done) {
      const offer = await rogue.offered().catch(() => undefined);
      if (!offer) continue;
      offers++;
      offer.fds.forEach(closeFd);
      rogue.say(RETURNED, offer.first, offer.fds.length);
    }
  })();
  t.deepEqual(failed(await visiting), []);
  done = true;
  await returning;
  // Without it every second visit would go there first: in two seconds there is time for about eight pauses.
  t.true(offers < 30, `${offers} offers`);
  rogue.die();
});

test.serial('a second word about a settled connection is counted and changes nothing', async (t) => {
  const cluster = await startCluster(t, ONE_WORKER, []);
  const rogue = await startRogue(cluster.socket);
  const visiting = visit(cluster.listen, '/bytes/1');
  const offer = await rogue.offered();
  rogue.say(TAKEN, offer.first, 1);
  rogue.say(TAKEN, offer.first, 1);
  rogue.say(RETURNED, offer.first, 1);
  await until(
    'both are counted',
    () => cluster.metric('baton_late_messages_total'),
    (count) => count === 2,
  );
  t.like((await cluster.status()).deliveries[0], { state: 'up', taken: 1, returned: 0, inUse: 1 });
  offer.fds.forEach(closeFd);
  t.is((await visiting).status, 0);
  rogue.die();
});

const nonsense: Record<string, (rogue: Awaited<ReturnType<typeof startRogue>>) => void> = {
  'takes what it was not offered': (rogue) => void rogue.say(TAKEN, 77, 1),
  'ends what it did not take': (rogue) => void rogue.laneSend(Buffer.from([0x92, 4, 1])),
  'sends garbage over its lane': (rogue) => void rogue.laneSend(Buffer.from('garbage')),
  'sends connections to the head': (rogue) => void rogue.laneSend(Buffer.from([0x93, 1, 0, 1]), [0]),
  'sends far too much over its lane': (rogue) => void rogue.laneSend(Buffer.alloc(8000, 0x93)),
  'sends an empty packet over its lane': (rogue) => void rogue.laneSend(Buffer.alloc(0)),
  'sends garbage over its control channel': (rogue) => void rogue.controlSend(Buffer.from('garbage')),
  'sends an unknown message': (rogue) =>
    void rogue.controlSend(Buffer.from([0x81, 0xa4, ...Buffer.from('type'), 0xa1, 0x78])),
  'says hello twice': (rogue) =>
    void rogue.controlSend(
      encodeControl({
        type: 'hello',
        version: 1,
        name: 'x',
        pid: 1,
        credits: 1,
        weight: 1,
        direct: null,
        active: 0,
      }),
    ),
  'sends a control message without end': (rogue) => void rogue.controlSend(Buffer.alloc(16_384, 0xc0)),
};
test.serial(
  'a delivery that breaks the protocol is let go; what it had not taken goes to another, the head lives on',
  async (t) => {
    const cluster = await startCluster(t, ONE_WORKER, ['d1']);
    const fds = await countFds(cluster.head.pid);
    for (const [what, misbehave] of Object.entries(nonsense)) {
      await cluster.drain('d1', true);
      const rogue = await startRogue(cluster.socket);
      const visiting = visit(cluster.listen, '/whoami');
      const offer = await rogue.offered();
      await cluster.drain('d1', false);
      misbehave(rogue);
      const answer = await visiting;
      t.is(answer.status, 200, `${what}: ${answer.error}`);
      t.is(JSON.parse(answer.body).delivery, 'd1', what);
      const farewell = await rogue.control();
      t.is(farewell?.type, 'dismissed', what);
      offer.fds.forEach(closeFd);
      rogue.die();
    }
    await assertAllAccountedFor(t, cluster);
    await until(
      'no fd is left',
      () => countFds(cluster.head.pid),
      (count) => count <= fds,
    );
  },
);

test.serial(
  'a killed delivery costs only what it had taken; the counts agree with what clients saw',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '2']);
    const doomed = cluster.deliveries[0]!;
    // Each is held for a while, so that the dying delivery has some.
    const running = visitSteadily(cluster.listen, '/delay/100', { count: 600, perSecond: 300 });
    await cluster.untilStatus('half of them came', ({ accepted }) => accepted > 300);
    process.kill(doomed.pid, 'SIGKILL');
    const visits = await running;
    const status = await cluster.untilStatus(
      'it is known',
      ({ deliveries }) => deliveries[0]!.state === 'down',
    );
    const [dead, survivor] = status.deliveries;
    const lost = failed(visits).length;
    t.true(lost > 0, 'some were in its hands');
    // Before the kill it had been given half of those that came.
    t.true(lost <= 40, `it held about 100 ms of 150 a second, and ${lost} visits failed`);
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
    await cluster.untilStatus('it is let go', ({ deliveries }) => deliveries.some((d) => d.state === 'down'));
    const visits = await running;
    const { deliveries } = await cluster.status();
    process.kill(frozen.pid, 'SIGCONT');
    const lost = failed(visits);
    const held = deliveries.find(({ name }) => name === frozen.name)!;
    // A visit that it had taken and not answered when it froze is answered when it thaws, or times out here.
    t.true(lost.length <= 3, `${lost.length} visits failed: ${lost.map(({ error }) => error).join(', ')}`);
    t.true(held.returned > 0, 'what it had not taken was taken back');
    await cluster.untilStatus('it is back', (now) => now.deliveries.every(({ state }) => state === 'up'));
    t.deepEqual(failed(await visitSteadily(cluster.listen, '/bytes/10', { count: 20, perSecond: 200 })), []);
    await assertAllAccountedFor(t, cluster);
  },
);

test.serial(
  'credits are never exceeded: the next connection is told where to go, and without an address when to come back',
  async (t) => {
    const cluster = await startCluster(t, ONE_WORKER, []);
    await cluster.addDelivery('d1', '--credits', '2');
    const held = [visit(cluster.listen, '/delay/2000'), visit(cluster.listen, '/delay/2000')];
    await cluster.untilStatus('both are taken', ({ deliveries }) => deliveries[0]!.inUse === 2);
    const third = await send(cluster.listen, 'GET /bytes/1 HTTP/1.1\r\nHost: x\r\n\r\n');
    t.is(third.status, 307);
    t.is(third.headers.location, `http://${cluster.deliveries[0]!.direct}/bytes/1`);
    await cluster.drain('d1', true);
    const fourth = await send(cluster.listen, 'GET /bytes/1 HTTP/1.1\r\nHost: x\r\n\r\n');
    t.is(fourth.status, 503);
    await cluster.drain('d1', false);
    t.deepEqual(
      (await Promise.all(held)).map(({ status }) => status),
      [200, 200],
    );
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

test.serial('a registration that is no hello is refused, and one that never comes is cut off', async (t) => {
  const cluster = await startCluster(t, ONE_WORKER, ['d1']);
  await t.throwsAsync(startRogue(cluster.socket, { name: 'd1' }), { message: /NAME_TAKEN/ });
  await t.throwsAsync(startRogue(cluster.socket, { version: 2 }), { message: /VERSION_MISMATCH/ });
  await t.throwsAsync(startRogue(cluster.socket, { credits: 0 }), { message: /PROTOCOL/ });
  await t.throwsAsync(startRogue(cluster.socket, { direct: 'evil.example:80\r\nX: y' }), {
    message: /PROTOCOL/,
  });
  t.is((await visit(cluster.listen, '/bytes/1')).status, 200);
});
