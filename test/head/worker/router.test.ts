import test from 'ava';
import { createFound } from '../../../head/found.ts';
import { NOBODY } from '../../../head/modes/mode.ts';
import { createScoreboardMemory, DRAINING, Scoreboard, UP } from '../../../head/scoreboard.ts';
import type { Lane } from '../../../head/worker/lane.ts';
import { Router } from '../../../head/worker/router.ts';

const FDS = 100;
const found = createFound();

/** Deliveries in slots 0, 1, ...; of their lanes only what a router looks at. */
function fleet(policy: string, count: number, credits = 1000) {
  const scoreboard = new Scoreboard(createScoreboardMemory(1));
  const connections = {
    addressHash: new Uint32Array(FDS),
    links: { since: new Float64Array(FDS) } as never,
  };
  const clock = { now: 1000 };
  const router = new Router({ scoreboard, connections, clock, policy });
  const lanes = Array.from({ length: count }, (_, slot) => {
    const lane = { slot, isFull: false, oldestUntaken: NOBODY };
    scoreboard.describe(slot, { credits, weight: 1, active: 0 });
    scoreboard.setState(slot, UP);
    router.join(slot, `d${slot}`, slot === 0 ? null : `127.0.0.1:${slot}`, lane as unknown as Lane);
    return lane;
  });
  const pick = (times: number, avoid = NOBODY, fd = 1) =>
    Array.from({ length: times }, () => router.pickLane(fd, found, avoid));
  return { scoreboard, connections, clock, router, lanes, pick };
}

test('a connection goes to each that is up, has credits and room, and to no other', (t) => {
  const { scoreboard, lanes, pick } = fleet('round-robin', 4, 10);
  scoreboard.setState(1, DRAINING);
  lanes[2]!.isFull = true;
  t.deepEqual(pick(3), [0, 3, 0]);
  t.deepEqual(
    pick(20).filter((slot) => slot === NOBODY).length,
    3,
    'ten credits each, of which three were used',
  );
});

test('the one that has just returned it does not get it again', (t) => {
  const { pick } = fleet('round-robin', 2);
  t.deepEqual(pick(3, 0), [1, 1, 1]);
  t.deepEqual(fleet('round-robin', 1).pick(1, 0), [NOBODY]);
});

test('one that leaves a connection untaken is passed over while others are quicker, and not when there are none', (t) => {
  const { clock, connections, lanes, pick } = fleet('round-robin', 2);
  (connections.links as unknown as { since: Float64Array }).since[7] = clock.now;
  lanes[0]!.oldestUntaken = 7;
  clock.now += 101;
  t.deepEqual(pick(3), [1, 1, 1]);
  lanes[1]!.oldestUntaken = 7;
  t.is(new Set(pick(2)).size, 2);
});

test('one that returns connections is passed over for ever longer, until it takes some for as long', (t) => {
  const { clock, router, pick } = fleet('round-robin', 2);
  const passedOver = () => {
    const before = clock.now;
    while (!pick(2).includes(0)) clock.now++;
    return clock.now - before;
  };
  router.returned(0);
  t.is(passedOver(), 10);
  router.returned(0);
  const second = passedOver();
  t.is(second, 20);
  clock.now += second + 1;
  router.taken(0);
  router.returned(0);
  t.is(passedOver(), 10);
});

test('only who has a direct address is one that a client is sent to', (t) => {
  const { router, scoreboard } = fleet('round-robin', 3);
  t.deepEqual(
    [1, 2, 3].map(() => router.pickDirect(1, found)),
    [1, 2, 1],
  );
  t.is(router.directOf(2), '127.0.0.1:2');
  router.leave(1);
  scoreboard.setState(2, DRAINING);
  t.is(router.pickDirect(1, found), NOBODY);
});

test('client-hash looks at the address, and path-hash at the path that was found', (t) => {
  for (const [policy, address, path] of [
    ['client-hash', true, false],
    ['path-hash', false, true],
  ] as const) {
    const { router, connections } = fleet(policy, 4);
    const byAddress = new Set<number>();
    const byPath = new Set<number>();
    for (let i = 0; i < 100; i++) {
      connections.addressHash[1] = Math.imul(i + 1, 0x9e3779b1);
      byAddress.add(router.pickDirect(1, found));
      connections.addressHash[1] = 0;
      const asked = createFound();
      asked.bytes = Buffer.from(`GET /${i} HTTP/1.1`);
      Object.assign(asked.keys.path, { start: 4, end: asked.bytes.indexOf(0x20, 5) });
      byPath.add(router.pickDirect(1, asked));
    }
    t.is(byAddress.size > 1, address, policy);
    t.is(byPath.size > 1, path, policy);
  }
});
