import test from 'ava';
import type { Happened } from '../../../infra/chaos/happened.ts';
import { asked, both, check, D1, fault, HEAD, L1, one, second, served } from '../../support/chaos-records.ts';

test('who is reset because of a cookie had not been accepted, and is new', (t) => {
  const failed = fault('cookiesFailed', 'head', 0);
  t.deepEqual(check(one('reset', []), failed).violations, []);
  t.is(check(one('reset', []), { ...failed, from: 2500, mended: 3000 }).violations.length, 1, 'later');
  t.is(check(one('reset', [], {}, { turn: 1 }), failed).violations.length, 1, 'a second request');
  t.is(check(one('reset', [D1]), failed).violations.length, 1, 'served by somebody');
  t.is(check(one('closed_early', []), failed).violations.length, 1, 'by somebody who listens');
});

test('a visit that was served once, by who answered it, is right', (t) => {
  const { violations, succeeded } = check(one('ok', [D1], { by: D1 }));
  t.deepEqual(violations, []);
  t.is(succeeded, 1);
});

test('what was served twice is found, by two deliveries and by one, also when the client got its answer', (t) => {
  t.regex(check(one('ok', [D1, L1], { by: D1 })).violations.join(), /served 2 times, by 11 at 1500, 21/);
  t.regex(check(one('ok', [D1, D1], { by: D1 })).violations.join(), /served 2 times/);
  // Whatever was killed meanwhile.
  const kills = [fault('kill', 'd1', D1), fault('kill', 'head', HEAD)];
  t.regex(check(one('reset', [D1, L1]), ...kills).violations.join(), /served 2 times/);
});

test('an answer by somebody else, by nobody, of another request or with other bytes is found', (t) => {
  t.regex(check(one('ok', [L1], { by: D1 })).violations.join(), /answered by 11, and served by 21/);
  t.regex(check(one('ok', [], { by: D1 })).violations.join(), /served by nobody/);
  for (const result of ['answer_of_another', 'heard_otherwise', 'wrong_length', 'bad_answer'])
    t.regex(check(one(result, [D1]), fault('kill', 'd1', D1)).violations.join(), /no row/, result);
});

test('one connection that two applications served is found, unless the first has given it back', (t) => {
  const isFound = (...happened: Happened[]) =>
    /connection c1-5-1: served by 11 at 1500 and by 21 at 1900, and not given back/.test(
      check(both, ...happened).violations.join(),
    );
  const moved = fault('move', 'd1', D1, { outcome: 'moves' });
  t.true(isFound());
  t.false(isFound(moved));
  t.deepEqual([...check(both, moved).moved], [['d to l', 1]]);
  t.false(isFound(fault('stop', 'd1', D1)), 'it gives back when it leaves');
  t.true(isFound({ ...moved, outcome: 'stays' }), 'it could not');
  t.true(isFound({ ...moved, from: 2500, begun: 2600, until: 2700, mended: 2800 }), 'it was told later');
  t.true(isFound({ ...moved, from: 500, begun: 600, until: 700, mended: 800 }), 'and it was over before');
  t.true(isFound(fault('move', 'l1', L1, { outcome: 'moves' })), 'another one was told');
  t.true(isFound(fault('drain', 'd1', D1)), 'it was drained, and keeps what it has');
  t.true(isFound(fault('upgrade', 'head', HEAD)), 'its head was replaced');
  const stays = { ...both, asked: both.asked.map((one) => ({ ...one, stays: true as const })) };
  t.regex(check(stays, moved).violations.join(), /not given back/, 'nobody can give it back');
});

test('what is given back may die with the head or with the next one that has it, and with nobody else', (t) => {
  const moved = fault('move', 'd1', D1, { outcome: 'moves' });
  const count = (...happened: Happened[]) => check(second('reset', []), ...happened).violations.length;
  t.is(count(moved), 1, 'moving costs nobody anything');
  for (const other of [fault('kill', 'head', HEAD), fault('kill', 'l1', L1)]) {
    t.is(count(other), 1, other.target);
    t.is(count(other, moved), 0, other.target);
  }
  const staying = second('reset', []);
  for (const one of staying.asked) Object.assign(one, { stays: true });
  t.is(check(staying, moved, fault('kill', 'head', HEAD)).violations.length, 1, 'it stays');
  // What somebody has served is that one's.
  t.is(check(second('reset', [D1]), moved, fault('kill', 'l1', L1)).violations.length, 1);
  t.is(check(second('timeout', []), moved).violations.length, 1, 'nobody may wait in vain');
});

test('an upgrade costs nobody anything, and one that is cut what the tables say of it', (t) => {
  for (const result of ['reset', 'refused', 'closed_early', 'timeout', 'status_503'])
    t.is(check(one(result, []), fault('upgrade', 'head', HEAD)).violations.length, 1, result);
  const cut = (who: 'predecessor' | 'successor', outcome: string) =>
    fault('upgradeCut', 'head', HEAD, { cut: { who, after: 'frozen', ms: 5 }, outcome });
  t.is(check(one('reset', []), cut('successor', 'kept')).violations.length, 1, 'the head goes on');
  t.is(check(one('reset', []), cut('predecessor', 'taken over')).violations.length, 0);
  t.is(check(one('reset', [D1]), cut('predecessor', 'taken over')).violations.length, 1, 'not its own');
  t.is(check(one('refused', []), cut('predecessor', 'taken over')).violations.length, 1, 'queues live on');
  t.is(check(one('refused', []), cut('successor', 'lost')).violations.length, 0, 'nobody is there');
  for (const who of ['predecessor', 'successor'] as const)
    for (const outcome of ['kept', 'taken over', 'lost']) {
      const told = {
        ...cut(who, outcome),
        cut: { who, after: 'ready' as const, ms: 5, gently: true as const },
      };
      const count = (result: string) => check(one(result, []), told).violations.length;
      t.is(count('reset'), 1, `${who} ${outcome}: told to stop it passes on what it has`);
      t.is(count('refused'), outcome === 'lost' ? 0 : 1, `${who} ${outcome}`);
      t.is(count('status_503'), outcome === 'lost' ? 0 : 1, `${who} ${outcome}`);
    }
});

test('who was frozen, or whose client was, may have let a kept connection rest for too long', (t) => {
  const count = (to: number, by: Partial<Happened>) => {
    const frozen = { kind: 'freeze' as const, target: 'd1', pid: D1, from: 1600, mended: 6400, ...by };
    const { kind, target, pid } = frozen;
    return check(second('reset', [], { to }), fault(kind, target, pid, frozen)).violations.length;
  };
  t.is(count(6500, {}), 0);
  t.is(count(6500, { target: 'c1', pid: 5 }), 0, 'its client');
  t.is(count(6500, { target: 'c2', pid: 6 }), 1, 'another client');
  t.is(count(6500, { target: 'l1', pid: L1 }), 1, 'another delivery');
  t.is(count(6200, { mended: 6100 }), 1, 'no five seconds since it was served');
  t.is(count(6500, { from: 1000, mended: 1300 }), 1, 'before it was served');
});

test('a client that was late by itself may find that its server has closed', (t) => {
  const count = (from: number, to: number) => {
    const late = second('closed_early', [], { to });
    Object.assign(late.asked[1]!, { from });
    return check(late).violations.length;
  };
  t.is(count(6400, 6450), 0);
  t.is(count(2500, 6450), 1, 'it asked in time');
  t.is(count(6000, 6050), 1, 'it was closed too early');
});

test('a clock that jumps costs nobody anything', (t) => {
  for (const result of ['reset', 'closed_early', 'timeout', 'status_503'])
    t.is(check(one(result, []), fault('clock', 'head', HEAD)).violations.length, 1, result);
});

test('a failure without a fault is found, and one that a fault may have cost is allowed', (t) => {
  for (const result of ['reset', 'closed_early', 'timeout', 'refused', 'status_503'])
    t.regex(check(one(result, [])).violations.join(), /no row of the tables allows it/, result);
  const { violations, allowed } = check(one('reset', [D1]), fault('kill', 'd1', D1));
  t.deepEqual(violations, []);
  t.deepEqual([...allowed.values()], [1]);
});

test('a fault costs nobody elsewhere, before or after it', (t) => {
  const killed = fault('kill', 'd1', D1);
  t.is(check(one('reset', [L1]), killed).violations.length, 1, 'another delivery had it');
  t.is(check(one('reset', [D1], { to: 1300 }), killed).violations.length, 1, 'it was over before');
  const later = { from: 5000, connected: 5000 };
  t.is(check(one('reset', [D1], { to: 6000 }, later), killed).violations.length, 1, 'it began after');
  t.is(check(one('timeout', [D1]), killed).violations.length, 1, 'nobody may wait in vain');
});

test("a head's death costs what no application has served, and nothing else", (t) => {
  const killed = fault('kill', 'head', HEAD);
  t.deepEqual(check(one('reset', []), killed).violations, []);
  t.deepEqual(check(one('refused', []), killed).violations, []);
  t.is(check(one('reset', [D1]), killed).violations.length, 1, 'what is taken is not touched');
  // A head that is told to stop loses nothing that it had accepted.
  t.is(check(one('reset', []), fault('stop', 'head', HEAD)).violations.length, 1);
});

test('what freezes, is drained or changes its mode costs nothing', (t) => {
  for (const kind of ['freeze', 'drain', 'fewFiles', 'stop'] as const)
    for (const result of ['reset', 'timeout', 'closed_early'])
      t.is(check(one(result, [L1]), fault(kind, 'l1', L1)).violations.length, 1, `${kind} ${result}`);
  t.is(check(one('reset', []), fault('mode', 'redirect', 0)).violations.length, 1);
});

test('503 is right when no delivery is there, and wrong when one is', (t) => {
  const all = [fault('kill', 'd1', D1), fault('freeze', 'l1', L1)];
  t.deepEqual(check(one('status_503', []), ...all).violations, []);
  t.is(check(one('status_503', []), all[0]!).violations.length, 1);
});

test('503 is right after a head has started only when the delivery that came to it was taken away', (t) => {
  const start = fault('kill', 'head', HEAD);
  t.is(check(one('status_503', []), start).violations.length, 1, 'it waits for the first');
  t.is(check(one('status_503', []), start, fault('drain', 'l1', L1)).violations.length, 0);
  t.is(check(one('status_503', []), start, fault('clock', 'l1', L1)).violations.length, 1);
  const early = fault('drain', 'l1', L1, { from: 100, begun: 110, until: 120, mended: 130 });
  t.is(check(one('status_503', []), early, start).violations.length, 1, 'it was back');
});

test('a request without an end is found, unless its client was killed', (t) => {
  const open = { asked: [asked('a')], ended: [], served: [] };
  t.regex(check(open).violations.join(), /has no end/);
  t.deepEqual(check(open, fault('kill', 'c1', 5)).violations, []);
  // The application may have served it once, and not twice.
  const twice = { ...open, served: [served('a', D1), served('a', L1)] };
  t.regex(check(twice, fault('kill', 'c1', 5)).violations.join(), /served 2 times/);
});
