import test from 'ava';
import { Card, type Change, movesOf, timeOf } from '../../../infra/chaos/addresses.ts';

const change = (at: number, host: number, isHere: boolean): Change => ({ at, host, isHere });

test('the address is on its way from when it is not, or not only, where it was, until one has it alone', (t) => {
  t.deepEqual(movesOf([], 1000), []);
  t.deepEqual(movesOf([change(1, 0, true), change(2, 1, false)], 1000), [], 'as at the start');
  const gone = [change(10, 0, false), change(400, 1, true)];
  t.deepEqual(movesOf(gone, 1000), [{ from: 10, until: 400, to: 1, holders: [0, 1] }]);
  const both = [change(10, 1, true), change(50, 0, false)];
  t.deepEqual(movesOf(both, 1000), [{ from: 10, until: 50, to: 1, holders: [0, 1] }], 'both for a moment');
  const back = [...gone, change(402, 1, false), change(403, 0, true)];
  t.deepEqual(movesOf(back, 1000)[1], { from: 402, until: 403, to: 0, holders: [0, 1] }, 'a millisecond');
});

test('an address that goes for a moment, or is in two places for one, has moved to where it was', (t) => {
  const flap = [change(10, 0, false), change(11, 0, true)];
  t.deepEqual(movesOf(flap, 1000), [{ from: 10, until: 11, to: 0, holders: [0] }]);
  const split = [change(10, 1, true), change(11, 1, false)];
  t.deepEqual(movesOf(split, 1000), [{ from: 10, until: 11, to: 0, holders: [0, 1] }]);
  t.deepEqual(
    movesOf([change(10, 0, false)], 1000),
    [{ from: 10, until: 1000, to: 0, holders: [0] }],
    'never back',
  );
});

test('what two hosts say is taken in the order of time, not of arrival', (t) => {
  const late = [change(400, 1, true), change(10, 0, false)];
  t.deepEqual(movesOf(late, 1000), [{ from: 10, until: 400, to: 1, holders: [0, 1] }]);
});

const VIP = '10.77.0.100';
const address = (deleted = '', host = VIP) =>
  `[2026-11-28T16:46:24.632230] ${deleted}3: eth0    inet ${host}/32 scope global eth0\\       valid_lft forever`;
const link = (state: string) =>
  `[2026-11-28T16:46:24.677357] 3: eth0@if4: <BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state ${state} group default \\    link/ether 42:d3:ca:1b:61:5c brd ff:ff:ff:ff:ff:ff`;

test('a host has the address where its card has it and its cable is in', (t) => {
  const card = new Card(VIP);
  t.false(card.take(link('UP')));
  t.true(card.take(address()));
  t.false(card.take(address()), 'said twice');
  t.false(card.take(address('Deleted ', '10.77.0.10')), 'another address');
  t.false(card.take(address('Deleted ', '10.77.0.1')), 'a part of it');
  t.false(card.take(address('Deleted ').replaceAll('eth0', 'lo')), 'another card');
  t.true(card.isHere);
  t.true(card.take(link('LOWERLAYERDOWN')));
  t.false(card.isHere);
  t.false(card.take(address('Deleted ')), 'nobody could come');
  t.false(card.take(link('UP')), 'it is gone by now');
  t.true(card.take(address()));
  t.true(card.take(address('Deleted ')));
});

test('what is said has the time at which it was said', (t) => {
  t.is(timeOf(address(), 0), Date.parse('2026-11-28T16:46:24.632Z'));
  t.is(timeOf(address(), 1000), Date.parse('2026-11-28T16:46:23.632Z'));
  t.is(timeOf('2: eth0 inet 10.77.0.100/32'), undefined);
});
