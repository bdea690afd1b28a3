/**
 * A head of heads.ts for one server. The call blocks until the head has been lent, because `server.address()` is known as
 * soon as `listen()` has returned.
 */
import { EAGAIN } from '../../shared/sys/libc.ts';
import { createFdMessenger } from '../../shared/sys/pass-fds.ts';
import { sleepMicros } from '../../shared/sys/sleep.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { connectSeqpacket } from '../../shared/sys/unix-sockets.ts';
import type { HostPort } from '../../shared/units.ts';

export interface Wanted {
  /** Null: every address of this host. */
  readonly host: string | null;
  readonly port: number;
  /** Afterwards somebody else may have the head, and its port goes on answering. */
  readonly again: boolean;
}

export interface Granted extends HostPort {
  /** Where deliveries register. */
  readonly socket: string;
}

export interface Refused {
  readonly problem: string;
}

export interface Lease extends Granted {
  /** The head stops: its port refuses from now on. */
  close(): void;
}

export const LEASE_MESSAGE_MAX = 1024;

/** A head takes a tenth of a second to start, and longer on a busy machine. */
const WITHIN_MS = 10_000;
const LOOK_EVERY_MICROS = 200;

let messenger: ReturnType<typeof createFdMessenger> | undefined;

/** Undefined when there can be no head at that address, for one because it is taken. */
export function leaseHead(path: string, wanted: Wanted): Lease | undefined {
  const fd = connectSeqpacket(path);
  messenger ??= createFdMessenger(LEASE_MESSAGE_MAX);
  messenger.send(fd, messenger.bytes.write(JSON.stringify(wanted)), 0);
  const answer = JSON.parse(waitForAnswer(fd, messenger)) as Granted | Refused;
  if ('problem' in answer) {
    closeFd(fd);
    return undefined;
  }
  return { ...answer, close: () => closeFd(fd) };
}

function waitForAnswer(fd: number, { receive, bytes }: ReturnType<typeof createFdMessenger>): string {
  const until = performance.now() + WITHIN_MS;
  for (;;) {
    const n = receive(fd);
    if (n > 0) return bytes.toString('utf8', 0, n);
    if (n !== EAGAIN || performance.now() > until) throw new Error('no head was lent by the suites’ heads');
    sleepMicros(LOOK_EVERY_MICROS);
  }
}
