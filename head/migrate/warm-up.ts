/**
 * Moves a connection of the head with itself to nowhere and takes it back, over and over (see shared/tcp-repair/loopback.ts).
 * Measured without: the first few hundred migrations after a start took 1 to 2.5 ms to be adopted, later ones half a
 * millisecond.
 */
import { encodeSaved } from '../../shared/tcp-repair/index.ts';
import { rehearseOverLoopback } from '../../shared/tcp-repair/loopback.ts';
import { encodeFrame, FrameReader } from '../../shared/wire/remote/frames.ts';
import { connectLink, type Link, listenForLinks } from '../../shared/wire/remote/link.ts';
import { checkFromRemote, type FromRemote } from '../../shared/wire/remote/messages.ts';
import { Opener, SEALED_MAX, Sealer } from '../../shared/wire/remote/sealed.ts';
import { Due } from './alarm.ts';
import { Ids } from './ids.ts';
import { Measures } from './measures.ts';
import { Migrations } from './migrations.ts';
import type { MigrationParts } from './moving.ts';

/** A link that is made takes milliseconds. */
const REHEARSAL_WITHIN_MS = 1000;

/** A link of this process with itself: what speaks TLS is loaded with the first. Whatever hinders it is no reason not to start. */
export async function rehearseLink(secret: Buffer): Promise<void> {
  const options = { secret, idleMs: REHEARSAL_WITHIN_MS };
  const ends: Link[] = [];
  const silent = { onMessage: () => {}, onEnd: () => {} };
  try {
    const server = await listenForLinks({ host: '127.0.0.1', port: 0 }, 'a rehearsal', options, {
      onLink(link) {
        ends.push(link);
        return silent;
      },
      onRefused: () => {},
    });
    ends.push(await connectLink(server.address, options, silent).finally(() => void server.close()));
  } catch {
    // There is no loopback here, say.
  }
  for (const link of ends) link.close();
}

const NOWHERE = { mac: '00:00:00:00:00:00', ifindex: 0, sourceMac: '00:00:00:00:00:00' };

/** Where the main thread has rehearsed, compiled code is no other thread's; each worker does it for less long, as all do at once. */
const ROUNDS_OF_A_WORKER = 1000;

/** The same for a worker, without the kernel's table, which is the main thread's until there is a delivery. */
export function rehearseWorker(): void {
  const table = { isAttached: true, hold: () => {}, mark: () => {}, forward: () => true };
  const nothing = () => {};
  const flows = {
    room: Number.POSITIVE_INFINITY,
    beginToMove: nothing,
    stopMoving: nothing,
    add: nothing,
    doubt: nothing,
    resetAway: nothing,
  };
  const key = new Uint8Array(32);
  const [sealer, opener] = [new Sealer(key), new Opener(key)];
  const record = Buffer.alloc(SEALED_MAX);
  const onFrame = (frame: Buffer) => void opener.open(record.subarray(0, sealer.seal(frame, record, 0)));
  const parts = { steering: table, flows, ids: new Ids(), adoptTimeoutMs: REHEARSAL_WITHIN_MS };
  rehearse({ ...parts, alarm: (onDue) => new Due(onDue) }, ROUNDS_OF_A_WORKER, onFrame);
}

/** Nobody else's connection is touched, and no figure counted. `onFrame` gets what would be sent. */
export function rehearse(
  parts: Omit<MigrationParts, 'measures'>,
  rounds?: number,
  onFrame: (frame: Buffer) => void = () => {},
): void {
  const reader = new FrameReader();
  let sent: { id: number } | undefined;
  const link: Link = {
    peer: 'rehearsal',
    send(message) {
      onFrame(encodeFrame(message));
      sent = message as { id: number };
      return true;
    },
    together: (items, work) => items.forEach(work),
    end: () => {},
    close: () => {},
  };
  const migrations = new Migrations(
    { ...parts, measures: new Measures() },
    { name: 'rehearsal', link, encode: encodeSaved, hop: () => NOWHERE, settle: () => {} },
  );
  const hear = (message: FromRemote): unknown => checkFromRemote(reader.push(encodeFrame(message))[0]);
  rehearseOverLoopback(
    (fd) => () => {
      migrations.begin(0, [fd]);
      if (!sent) return false;
      hear({ type: 'adopted', id: sent.id, micros: 1 });
      migrations.onRefused(sent.id, 'rehearsal');
      sent = undefined;
      return true;
    },
    rounds,
  );
  migrations.end('dead');
}
