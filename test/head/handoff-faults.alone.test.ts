/** For each step of a handoff: what if the delivery dies right here, stops, answers twice or late, or talks nonsense? */
import { text } from 'node:stream/consumers';
import test from 'ava';
import { closeFd } from '../../shared/sys/sockets.ts';
import { encodeControl } from '../../shared/wire/control.ts';
import { RETURNED, TAKEN } from '../../shared/wire/lane.ts';
import { assertAllAccountedFor, ONE_WORKER } from '../support/accounted.ts';
import { countFds, startCluster } from '../support/cluster.ts';
import { failed, visit, visitSteadily } from '../support/load.ts';
import { open, send } from '../support/raw-client.ts';
import { startRogue } from '../support/rogue.ts';
import { until } from '../support/until.ts';

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
  'a delivery that leaves connections untaken is dropped after the stall timeout, and may not take them then',
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
  'a delivery that breaks the protocol is dropped; what it had not taken goes to another, the head lives on',
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

test.serial('a registration that is no hello is refused, and one that never comes is cut off', async (t) => {
  const cluster = await startCluster(t, ONE_WORKER, ['d1']);
  await t.throwsAsync(startRogue(cluster.socket, { name: 'd1' }), { message: /NAME_TAKEN/ });
  await t.throwsAsync(startRogue(cluster.socket, { version: 3 }), { message: /VERSION_MISMATCH/ });
  await t.throwsAsync(startRogue(cluster.socket, { credits: 0 }), { message: /PROTOCOL/ });
  await t.throwsAsync(startRogue(cluster.socket, { direct: 'evil.example:80\r\nX: y' }), {
    message: /PROTOCOL/,
  });
  t.is((await visit(cluster.listen, '/bytes/1')).status, 200);
});
