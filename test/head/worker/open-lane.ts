/** A lane with a delivery at its other end, which this process plays. */
import { openSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { FdLane } from '../../../head/worker/fd-lane.ts';
import { EAGAIN } from '../../../shared/sys/libc.ts';
import { allocate } from '../../../shared/sys/memory.ts';
import { createFdMessenger } from '../../../shared/sys/pass-fds.ts';
import { closeFd, write } from '../../../shared/sys/sockets.ts';
import { seqpacketPair } from '../../../shared/sys/unix-sockets.ts';
import { CONNECTIONS, laneMessage, readLane, writeEnded, writeRange } from '../../../shared/wire/lane.ts';

export const SLOT = 5;
const inbox = createFdMessenger(64);
export const outbox = allocate(4096);

/** A lane, what it reported, and a delivery at its other end with a copy of its own of that end. */
export function openLane(t: ExecutionContext) {
  const [headEnd, deliveryEnd] = seqpacketPair();
  const [sender, receiver] = seqpacketPair();
  inbox.fds[0] = deliveryEnd;
  inbox.send(sender, 1, 1);
  inbox.receive(receiver);
  const own = inbox.fds[0]!;
  closeFd(sender);
  closeFd(receiver);
  const events: [what: string, ...numbers: number[]][] = [];
  const lane = new FdLane(SLOT, headEnd, deliveryEnd, {
    onTaken: (slot, fd) => events.push(['taken', slot, fd]),
    onReturned: (slot, fd) => events.push(['returned', slot, fd]),
    onEnded: (slot, count) => events.push(['ended', slot, count]),
    onLate: () => events.push(['late']),
  });
  t.teardown(() => closeFd(own));
  return {
    lane,
    own,
    /** What was reported since it was asked last. */
    events: () => events.splice(0),
    /** One message that arrived, as [first, count, fds that came]; undefined when there is none. */
    receive() {
      const n = inbox.receive(own);
      if (n === EAGAIN || n === 0) return undefined;
      t.true(readLane(inbox.bytes, n));
      t.is(laneMessage.kind, CONNECTIONS);
      for (let i = 0; i < inbox.received; i++) closeFd(inbox.fds[i]!);
      return [laneMessage.first, laneMessage.count, inbox.received] as const;
    },
    /** >= 0, or -errno. */
    say: (kind: number, first: number, count: number) =>
      write(own, outbox, 0, writeRange(outbox.bytes, kind, first, count)),
    sayEnded: (count: number) => write(own, outbox, 0, writeEnded(outbox.bytes, count)),
    sayBytes(bytes: Uint8Array) {
      outbox.bytes.set(bytes);
      return write(own, outbox, 0, bytes.length);
    },
  };
}

export const devNull = openSync('/dev/null', 'r');

/** Reads all that has arrived. */
export function readAll(lane: FdLane): void {
  while (lane.read() !== 0);
}
