import test from 'ava';
import { Adoptions } from '../../../delivery/remote/adoptions.ts';
import { offeredState } from '../../support/offered-state.ts';

test('a connection to another address than the shared ones is not taken, whoever offers it', (t) => {
  const vip = Uint8Array.of(10, 0, 0, 100);
  const never = () => t.fail() as never;
  const adoptions = new Adoptions([vip], { reserve: never, release: never, makeWay: never });
  const localhost6 = new Uint8Array(16).with(15, 1);
  for (const [id, server] of [
    Uint8Array.of(127, 0, 0, 1),
    Uint8Array.of(10, 0, 0, 101),
    localhost6,
  ].entries()) {
    const answer = adoptions.adopt({ type: 'adopt', id, withinMs: 1000, state: offeredState(server) });
    t.deepEqual(answer, { type: 'refused', id, reason: 'address-not-here' });
  }
  adoptions.end();
});
