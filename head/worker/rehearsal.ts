/**
 * Moves connections of this thread with itself to a delivery that it plays, over a lane, in a table that nobody looks into: what
 * visitors wait for right after a head has taken over has run before. (Measured without: of the first moves of a worker, 7 ms of CPU.)
 */
import { createEpoll } from '../../shared/sys/epoll.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { seqpacketPair } from '../../shared/sys/unix-sockets.ts';
import { rehearseMoves } from '../../shared/tcp-repair/loopback.ts';
import { trace } from '../../shared/trace.ts';
import { LaneSocket } from '../../shared/wire/remote/lane-socket.ts';
import { laneKeys, Opener, Sealer } from '../../shared/wire/remote/sealed.ts';
import { Ids } from '../migrate/ids.ts';
import { Journal } from '../migrate/journal.ts';
import { Measures } from '../migrate/measures.ts';
import { createFlows } from '../steer/program.ts';
import { FlowTable, tableSpec } from '../steer/table.ts';
import type { OwnLane } from '../worker-messages.ts';
import { OwnMoves } from './own-moves.ts';

const MOVES = 120;
/** All workers do it at once, and a head serves meanwhile. */
const AT_MOST_MS = 80;
const ADOPT_WITHIN_MS = 1000;
const REGISTRATION = 1;
const NOWHERE = { mac: '00:00:00:00:00:00', ifindex: 0, sourceMac: '00:00:00:00:00:00' };

/** How many have moved. Whatever hinders it is no reason not to start: what is missing is said where it is needed. */
export function rehearseOwnMoves(): number {
  // A trace has what happens to connections, and these are none.
  if (trace) return 0;
  const fds: number[] = [];
  let moved = 0;
  try {
    const epoll = createEpoll(8);
    fds.push(epoll.fd);
    const map = createFlows(2 * MOVES);
    fds.push(map);
    const table = tableSpec(map, 'rehearsal');
    const attached = new FlowTable(table);
    attached.isAttached = true;
    attached.free();
    const [end, theirs] = seqpacketPair();
    fds.push(theirs);
    const keys = laneKeys(Buffer.alloc(32), 0);
    const lane: OwnLane = {
      ...{ registration: REGISTRATION, name: 'rehearsal', readsPath: true, fd: end, keys, table },
      memory: {
        ids: new Ids().memory,
        journal: new Journal().memory,
        measures: new Measures().memory,
        pending: new SharedArrayBuffer(4),
      },
      adoptTimeoutMs: ADOPT_WITHIN_MS,
      hop: { way: NOWHERE, number: 0 },
    };
    let isTaken = false;
    const own = new OwnMoves(
      {
        ...{ slot: 0, registration: REGISTRATION, epoll, tell: () => {} },
        settle: (_, how) => {
          isTaken = how === 'taken';
        },
      },
      lane,
    );
    const delivery = playDelivery(theirs, keys);
    rehearseMoves(
      (fd) => {
        isTaken = false;
        own.begin([fd]);
        own.flush();
        // It answers the offer, and the word that it is its own.
        for (let n = 0; n < 2; n++) {
          delivery();
          own.read();
        }
        if (isTaken) moved++;
        return isTaken;
      },
      MOVES,
      AT_MOST_MS,
    );
    own.close();
  } catch {
    // No table may be made here, say.
  } finally {
    fds.forEach(closeFd);
  }
  return moved;
}

function playDelivery(fd: number, keys: OwnLane['keys']): () => void {
  const sealer = new Sealer(keys.toHead);
  // The first record opens a lane.
  sealer.seal(Buffer.alloc(0), Buffer.alloc(64), 0);
  const lane = new LaneSocket(fd, sealer, new Opener(keys.toDelivery));
  return () => {
    for (const message of lane.readAll() as { type: string; id: number }[]) {
      const { type, id } = message;
      if (type === 'adopt') lane.send({ type: 'adopted', id, micros: 1 });
      if (type === 'commit') lane.send({ type: 'live', ids: [id] });
    }
    lane.flush();
  };
}
