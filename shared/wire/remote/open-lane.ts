/** The delivery's side of opening a lane of a link (opening.ts). */
import { once } from 'node:events';
import { connect } from 'node:net';
import { listenerOf } from '../../sys/listener-of.ts';
import { duplicateFd } from '../../sys/sockets.ts';
import { keepForThread } from '../../sys/thread-end.ts';
import type { HostPort } from '../../units.ts';
import { LaneSocket } from './lane-socket.ts';
import { writeOpening } from './opening.ts';
import { laneKeys, linkNameOf, Opener, Sealer } from './sealed.ts';

const WITHIN_MS = 5000;

/** `secret`: of the link. Rejects when it can not be connected; whether the head takes it shows when it says something. */
export async function openLane(head: HostPort, secret: Uint8Array, index: number): Promise<LaneSocket> {
  const socket = connect({ ...head, noDelay: true }).unref();
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(WITHIN_MS) });
    const keys = laneKeys(secret, index);
    const sealer = new Sealer(keys.toHead);
    socket.pause();
    socket.write(writeOpening(linkNameOf(secret), index, sealer));
    const fd = keepForThread(duplicateFd(listenerOf(socket)));
    return new LaneSocket(fd, sealer, new Opener(keys.toDelivery));
  } finally {
    // The connection has another fd.
    socket.on('error', () => {}).destroy();
  }
}
