/** What is held against each other where the next request of a connection may be another's. */
import test from 'ava';
import type { Happened } from '../../../infra/chaos/happened.ts';
import { both, checkAs, D1, fault, HEAD, L1, second, served } from '../../support/chaos-records.ts';

test('where each request goes to whom it is for a connection may have two applications of one host, and no others', (t) => {
  const of = (from: number, to: number, kind: string, byRequest = true) => {
    const name = (pid: number) => (pid === D1 ? 'd1' : 'l1');
    const asks = both.asked.map((one) => ({ ...one, kind }));
    const serves = both.served.map((one, i) => ({ ...one, pid: [from, to][i]!, name: name([from, to][i]!) }));
    const ends = both.ended.map((one, i) => ({ ...one, by: [from, to][i]! }));
    return checkAs(byRequest, { asked: asks, ended: ends, served: serves }, []).violations.length;
  };
  const L2 = 22;
  t.is(of(L1, L2, 'kept alive'), 0);
  t.is(of(L1, L2, 'kept alive', false), 1, 'by connection');
  t.is(of(D1, L1, 'kept alive'), 1, 'of another host');
  t.is(of(L1, D1, 'kept alive'), 1, 'to another host');
  t.is(of(L1, L2, 'upgraded, moves'), 1, 'it has no requests');
  const lost = (...happened: Happened[]) => {
    const { asked: asks, ended: ends } = second('reset', []);
    const records = { asked: asks, ended: [{ ...ends[0]!, by: L1 }, ends[1]!], served: [served('a', L1)] };
    return checkAs(true, records, happened).violations.length;
  };
  t.is(lost(), 1, 'nothing has happened');
  for (const other of [fault('kill', 'head', HEAD), fault('kill', 'l2', L2)])
    t.is(lost(other), 0, other.target);
  t.is(lost(fault('kill', 'd1', D1)), 1, 'none goes to another host');
});
