/** What each of several heads is told of a delivery's connections. */
import { openSync } from 'node:fs';
import test from 'ava';
import { AdoptedFlows } from '../../../delivery/remote/adopted-flows.ts';
import type { HeadAccount } from '../../../delivery/remote/head-account.ts';
import type { FromRemote } from '../../../shared/wire/remote/messages.ts';
import { until } from '../../support/until.ts';

const ends = (port: number) => ({
  client: { address: Uint8Array.of(192, 0, 2, 1), port },
  server: { address: Uint8Array.of(192, 0, 2, 2), port: 80 },
});

/** A head that has welcomed the delivery. */
function welcome(flows: AdoptedFlows, isShort = () => false) {
  const heard: FromRemote[] = [];
  const { active, holdings, account } = flows.describe(isShort);
  account.attach((message) => heard.push(message));
  return { active, holdings, account, heard };
}

function adopt(flows: AdoptedFlows, id: number, mover: HeadAccount): void {
  flows.reserve(id);
  flows.add(id, ends(id), openSync('/dev/null', 'r'), mover);
}

const idsOf = (heard: readonly FromRemote[]) =>
  heard.flatMap((message) => (message.type === 'holding' ? message.ids : []));

test('all heads but the one that moved a connection are told of it, soon', async (t) => {
  const flows = new AdoptedFlows();
  const [a, b, c] = [welcome(flows), welcome(flows), welcome(flows)];
  adopt(flows, 1, a.account);
  adopt(flows, 2, b.account);
  await until(
    'both are told',
    () => [a, b, c].map(({ heard }) => idsOf(heard).length),
    (counts) => counts.join() === '1,1,2',
  );
  t.deepEqual(
    [a, b, c].map(({ heard }) => idsOf(heard)),
    [[2], [1], [1, 2]],
  );
});

test('a head that comes later gets all that are open, and what changes before its welcome', async (t) => {
  const flows = new AdoptedFlows();
  const a = welcome(flows);
  adopt(flows, 1, a.account);
  const late = flows.describe(() => false);
  t.is(late.active, 1);
  t.deepEqual(
    late.holdings.map(({ ids }) => ids),
    [[1]],
  );
  adopt(flows, 2, a.account);
  flows.closed(1);
  const heard: FromRemote[] = [];
  late.account.attach((message) => heard.push(message));
  t.deepEqual(
    heard.map(({ type }) => type),
    ['holding', 'ended'],
  );
  t.deepEqual(idsOf(heard), [2]);
  t.like(heard[1], { closed: 1 });
});

test('each head hears of an end once, also what it was never told to be open before', (t) => {
  const flows = new AdoptedFlows();
  const [a, b] = [welcome(flows), welcome(flows)];
  adopt(flows, 1, a.account);
  flows.closed(1);
  b.account.flush();
  a.account.flush();
  const closed = (heard: readonly FromRemote[]) =>
    heard.reduce((sum, message) => sum + (message.type === 'ended' ? message.closed : 0), 0);
  t.is(closed(a.heard), 1);
  t.is(closed(b.heard), 1);
  // First that it was there.
  t.is(b.heard[0]!.type, 'holding');
});

test('a link that is gone is told nothing, and keeps nothing from the others', async (t) => {
  const flows = new AdoptedFlows();
  const [a, b, c] = [welcome(flows), welcome(flows), welcome(flows)];
  c.account.close();
  adopt(flows, 1, a.account);
  flows.closed(1);
  await until(
    'b is told',
    () => b.heard.length,
    (count) => count > 0,
  );
  t.is(c.heard.length, 0);
});

test('a head that has few credits left is told of an end at once, the other with others', async (t) => {
  const flows = new AdoptedFlows();
  const [a, b] = [welcome(flows, () => true), welcome(flows)];
  adopt(flows, 1, a.account);
  flows.closed(1);
  await new Promise(setImmediate);
  t.deepEqual(
    a.heard.map(({ type }) => type),
    ['ended'],
  );
  t.is(b.heard.length, 0);
});

test('a number that is taken is not given twice, until nothing of it is left', (t) => {
  const flows = new AdoptedFlows();
  t.true(flows.reserve(1));
  t.false(flows.reserve(1));
  t.is(flows.count, 1);
  flows.release(1);
  t.is(flows.count, 0);
  t.true(flows.reserve(1));
});
