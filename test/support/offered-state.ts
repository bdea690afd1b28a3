/** A connection as a head offers it, of no real client. */
import { encodeSaved } from '../../shared/tcp-repair/index.ts';

/** Clients of it connect to that address. */
export const offeredState = (server: Uint8Array): Buffer =>
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
