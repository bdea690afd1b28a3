import test from 'ava';
import { createShared, policyNames } from '../../../head/choose/index.ts';
import { createFound } from '../../../head/found.ts';
import { NOBODY } from '../../../head/modes/mode.ts';
import { TLS } from '../../../head/refusals.ts';
import { createScoreboardMemory, DRAINING, Scoreboard, UP } from '../../../head/scoreboard.ts';
import type { Lane } from '../../../head/worker/lane.ts';
import { Router } from '../../../head/worker/router.ts';

const FDS = 100;
const found = createFound();

/** Deliveries in slots 0, 1, ...; of their lanes only what a router looks at. */
function fleet(
  policy: string,
  count: number,
  credits = 1000,
  serves: readonly (readonly string[] | undefined)[] = [],
) {
  const scoreboard = new Scoreboard(createScoreboardMemory(1));
  const connections = {
    addressHash: new Uint32Array(FDS),
    links: { since: new Float64Array(FDS) } as never,
  };
  const clock = { now: 1000 };
  const router = new Router({ scoreboard, connections, clock, policy, shared: createShared() });
  const lanes = Array.from({ length: count }, (_, slot) => {
    const lane = { slot, isFull: false, oldestUntaken: NOBODY };
    scoreboard.describe(slot, { credits, weight: 1, active: 0 });
    scoreboard.setState(slot, UP);
    router.join(
      {
        slot,
        name: `d${slot}`,
        direct: slot === 0 ? null : `127.0.0.1:${slot}`,
        directTls: ([undefined, 'only', 'also'] as const)[slot],
        serves: serves[slot],
      },
      lane as unknown as Lane,
    );
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
  t.is(router.originOf(1, false), 'https://127.0.0.1:1');
  t.is(router.originOf(2, false), 'http://127.0.0.1:2');
  t.is(router.originOf(2, true), 'https://127.0.0.1:2');
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

/** What a request for `host` is found to be. */
function asking(host: string) {
  const asked = createFound();
  asked.bytes = Buffer.from(`Host: ${host}`, 'latin1');
  Object.assign(asked.keys.name, { start: 5, end: asked.bytes.length });
  return asked;
}

const serving = [
  ['shop.example'],
  ['*.img.example', 'img.example'],
  ['*.example'],
  ['shop.example', '*.b.img.example'],
  undefined,
  ['*', 'only.example'],
];

test('the most specific that serve a name are chosen among, whatever they are asked by', (t) => {
  for (const [host, expected] of [
    ['shop.example', [0, 3]],
    ['SHOP.example.:8080', [0, 3]],
    ['img.example', [1]],
    ['a.img.example', [1]],
    ['a.b.img.example', [3]],
    ['b.img.example', [1]],
    ['other.example', [2]],
    ['example', [4, 5]],
    ['only.example', [5]],
    ['elsewhere', [4, 5]],
    ['192.0.2.1', [4, 5]],
    ['', [4, 5]],
    ['.', [4, 5]],
    ['.example', [4, 5]],
    ['xshop.example', [2]],
    ['shop.example.evil', [4, 5]],
  ] as const) {
    for (const policy of policyNames) {
      const { router } = fleet(policy, 6, 1000, serving);
      const chosen = new Set<number>();
      for (let i = 0; i < 12; i++) {
        const slot = router.pickLane(1, asking(host), NOBODY);
        t.true((expected as readonly number[]).includes(slot), `${policy}: ${host} to ${slot}`);
        chosen.add(slot);
      }
      if (policy === 'round-robin') t.deepEqual([...chosen].sort(), [...expected], host);
      t.false(router.isForNobody(asking(host)));
    }
  }
});

test('who is full or slow is not passed over for one that serves the name less well, and who is not up is', (t) => {
  const { router, scoreboard, lanes } = fleet('round-robin', 6, 2, serving);
  const pick = () => router.pickLane(1, asking('img.example'), NOBODY);
  t.deepEqual([pick(), pick(), pick()], [1, 1, NOBODY], 'its credits are used');
  t.false(router.isForNobody(asking('img.example')));
  lanes[1]!.isFull = true;
  t.is(pick(), NOBODY);
  scoreboard.setState(1, DRAINING);
  t.is(pick(), 2, 'it drains');
  router.leave(2);
  t.is(pick(), 4);
  t.true([4, 5].includes(router.pickDirect(1, asking('img.example'))));
});

test('a name that nobody serves is for nobody, and one whose servers drain is not', (t) => {
  const { router, scoreboard } = fleet('round-robin', 2, 10, [['shop.example'], ['*.img.example']]);
  for (const host of ['elsewhere', '', '192.0.2.1', 'img.example', 'x.shop.example']) {
    t.is(router.pickLane(1, asking(host), NOBODY), NOBODY);
    t.is(router.pickDirect(1, asking(host)), NOBODY);
    t.true(router.isForNobody(asking(host)), host);
  }
  scoreboard.setState(0, DRAINING);
  t.is(router.pickLane(1, asking('shop.example'), NOBODY), NOBODY);
  t.false(router.isForNobody(asking('shop.example')));
  router.leave(0);
  t.true(router.isForNobody(asking('shop.example')));
  router.leave(1);
  t.false(router.isForNobody(asking('shop.example')), 'nobody is there at all');
  const plain = fleet('round-robin', 1);
  t.false(plain.router.isForNobody(asking('anything')));
});

test('name-hash gives each name one delivery, however it is written', (t) => {
  const { router } = fleet('name-hash', 4);
  const byName = new Set<number>();
  for (let i = 0; i < 100; i++) {
    const slot = router.pickLane(1, asking(`n${i}.example`), NOBODY);
    byName.add(slot);
    t.is(router.pickLane(1, asking(`N${i}.Example.:80`), NOBODY), slot);
  }
  t.is(byName.size, 4);
  const nameless = Array.from({ length: 40 }, () => router.pickLane(1, asking('192.0.2.1'), NOBODY));
  t.is(new Set(nameless).size, 4, 'who names nobody is shared out');
});

test('path-hash goes by the name where there is no path to be seen, and by nothing where there is neither', (t) => {
  const { router } = fleet('path-hash', 4);
  const secure = (name: string) => Object.assign(asking(name), { speaks: TLS });
  const byName = new Set<number>();
  for (let i = 0; i < 100; i++) {
    const slot = router.pickLane(1, secure(`n${i}.example`), NOBODY);
    byName.add(slot);
    t.is(router.pickLane(1, secure(`N${i}.example`), NOBODY), slot);
  }
  t.is(byName.size, 4);
  const none = Object.assign(createFound(), { speaks: TLS });
  const nameless = Array.from({ length: 40 }, () => router.pickLane(1, none, NOBODY));
  t.is(new Set(nameless).size, 4);
});
