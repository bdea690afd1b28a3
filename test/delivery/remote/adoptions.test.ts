import test from 'ava';
import { Adoptions } from '../../../delivery/remote/adoptions.ts';
import { encodeSaved } from '../../../shared/tcp-repair/index.ts';

const state = (server: Uint8Array) =>
  encodeSaved({
    version: 1,
    client: { address: server.with(server.length - 1, 1), port: 40_000 },
    server: { address: server, port: 22 },
    mss: 1460,
    sack: true,
    timestamp: null,
    peerScale: 0,
    ownScale: 0,
    receiveSeq: 1,
    sendSeq: 1,
    window: { sendUpdatedBy: 1, sendWindow: 1, sendWindowMax: 1, receiveWindow: 1, receiveUpdatedAt: 1 },
    inputEnded: false,
    received: new Uint8Array(0),
    sent: new Uint8Array(0),
    unsent: new Uint8Array(0),
    congestion: null,
  });

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
    const answer = adoptions.adopt({ type: 'adopt', id, withinMs: 1000, state: state(server) });
    t.deepEqual(answer, { type: 'refused', id, reason: 'address-not-here' });
  }
  adoptions.end();
});
