import test from 'ava';
import type { Happened } from '../../../infra/chaos/happened.ts';
import type { Asked } from '../../../infra/chaos/records.ts';
import { check, D1, fault, HEAD, L1, one, second, toHead2 } from '../../support/chaos-records.ts';

test('when the address moves, what a head has ends, and what is with deliveries of its host; not what is elsewhere', (t) => {
  const moved = fault('addressMoved', 'head2', 0);
  for (const result of ['reset', 'closed_early', 'timeout']) {
    t.is(check(one(result, []), moved).violations.length, 0, `${result} of a head's`);
    t.is(check(one(result, [L1]), moved).violations.length, 0, `${result} of its host's`);
    t.is(check(one(result, [D1]), moved).violations.length, 1, `${result} of another host's`);
    const later = { connected: 5000, from: 5000 };
    t.is(check(one(result, [], { to: 6000 }, later), moved).violations.length, 1, `${result} later`);
  }
  t.is(check(one('refused', []), moved).violations.length, 1, 'somebody listens');
  t.is(check(second('reset', []), moved).violations.length, 1, 'd1 keeps what it has');
  const given = fault('move', 'd1', D1, { outcome: 'moves' });
  t.is(check(second('reset', []), moved, given).violations.length, 0, 'but for what it gives back');
});

test('what befalls the head without the address costs nobody anything', (t) => {
  for (const kind of ['kill', 'hostLost', 'stop'] as const)
    for (const [moves, count] of [
      [[toHead2], 0],
      [[], 1],
    ] as const) {
      const lost = fault(kind, 'head2', HEAD);
      const said = `${kind} ${moves.length}`;
      t.is(check(one('refused', []), lost, ...moves).violations.length, count, said);
      if (kind !== 'stop') t.is(check(one('reset', []), lost, ...moves).violations.length, count, said);
    }
});

test('what a head that stood still hands over too late may be lost, and what it hands over in time may not', (t) => {
  const moved = { ...toHead2, from: 1100, begun: 1100, until: 1100, mended: 1100 };
  const count = (servedAt: number, more: Partial<Asked> = {}, result = 'reset') => {
    const late = one(result, [D1], { to: 9000 }, more);
    return check({ ...late, served: [{ ...late.served[0]!, at: servedAt }] }, moved).violations.length;
  };
  t.is(count(4200), 0, 'the other one holds what it does not know for three seconds');
  t.is(count(4000), 1);
  t.is(count(4200, {}, 'timeout'), 1, 'somebody has it, or resets it');
  t.is(count(4200, { turn: 1 }), 1, 'it was served before');
  t.is(count(4200, { connected: 1200, from: 1200 }), 1, 'the other one has accepted it');
});

test('half a request may be all that a head gets whose address went and came back', (t) => {
  const count = (to: number, ...moves: Happened[]) =>
    check(one('status_408', [], { to }), ...moves).violations.length;
  const moved = { ...toHead2, from: 1100, begun: 1100, until: 1100, mended: 1100 };
  t.is(count(11_010, moved), 0);
  t.is(count(11_010), 1, 'the address stayed');
  t.is(count(5000, moved), 1, 'it did not wait for ten seconds');
});

test('half a request is answered 408 by a head that is told to stop, where it would have answered the whole', (t) => {
  const stopped = fault('stop', 'head', HEAD);
  const redirects = fault('mode', 'redirect', 0, { from: 900, begun: 910, until: 1900, mended: 1950 });
  const count = (...happened: Happened[]) => check(one('status_408', []), ...happened).violations.length;
  t.is(count(stopped, redirects), 0);
  t.is(count(stopped), 1, 'it hands over');
  t.is(count(stopped, { ...redirects, target: 'handoff' }), 1, 'it hands over');
  t.is(count(redirects), 1, 'it goes on');
  t.is(check(one('status_408', [D1]), stopped, redirects).violations.length, 1, 'somebody has it');
});

test('nobody is refused by a dead head after the address has gone from it, and somebody is when it comes to it', (t) => {
  const dead = fault('kill', 'head', HEAD, { from: 500, begun: 510, until: 3000, mended: 3500 });
  const count = (...moves: Happened[]) => check(one('refused', []), dead, ...moves).violations.length;
  t.is(count(), 0, 'it has it');
  t.is(count(toHead2), 1, 'it had it until 600, and who was refused came at 1000');
  const back = { ...toHead2, target: 'head', from: 1700, begun: 1800, until: 1800, mended: 1800 };
  t.is(count(toHead2, back), 0, 'it has it again');
  // There and gone again within one move, which ends where it began.
  const flap = { ...back, target: 'head2' };
  t.is(count(toHead2, flap), 0, 'for a moment');
  t.is(count(toHead2, { ...flap, holders: ['head2'] }), 1, 'nobody had it for a moment');
});

test('503 is right of a head whose deliveries are away, whoever the other head has', (t) => {
  const out = fault('drain', 'd1', D1);
  t.is(check(one('status_503', []), out).violations.length, 1, 'l1 is there');
  const moved = fault('addressMoved', 'head2', 0, { from: 500, begun: 600, until: 600, mended: 600 });
  t.is(check(one('status_503', []), out, moved).violations.length, 0, 'l1 is on the other host');
  const back = { ...moved, target: 'head', from: 700, begun: 800, until: 800, mended: 800 };
  t.is(check(one('status_503', []), out, moved, back).violations.length, 1, 'the address is back');
});

test('an address that comes to a head that is dead for long costs what that head has not heard of, and one that comes earlier does not', (t) => {
  const count = (deadSince: number, readyAt: number) => {
    const dead = fault('stop', 'head2', HEAD, {
      from: deadSince,
      begun: deadSince,
      until: readyAt,
      mended: readyAt,
    });
    const moved = { ...toHead2, from: 20_000, begun: 20_300, until: 20_300, mended: 20_300 };
    const late = { connected: 15_000, from: 19_900 };
    return check(one('reset', [D1], { to: 20_400 }, late), dead, moved).violations.length;
  };
  t.is(count(10_000, 21_000), 0);
  t.is(count(10_500, 21_000), 1, 'it still holds');
  t.is(count(10_000, 20_200), 1, 'it was ready by then');
});
