/** Why a connection cannot be frozen, saved or restored: a closed list, so that it can cross the wire and be counted. */
import { errnoName } from '../sys/libc.ts';

/** Each with a line for a person that says what to do about it, where something can be done. */
const reasons = {
  'no-privilege':
    'this process lacks CAP_NET_ADMIN in its network namespace; run it as root or grant the capability',
  'no-kernel-support': 'this kernel has no TCP_REPAIR; it needs CONFIG_CHECKPOINT_RESTORE and Linux 4.8',
  'not-tcp': 'not a TCP socket',
  listening: 'a listening socket, not a connection',
  connecting: 'the handshake has not ended',
  closing: 'this side has already sent its FIN, which cannot be taken to another socket',
  closed: 'the connection has ended or was reset',
  'receive-queue-too-large': 'the client has sent more than may travel with a connection',
  'send-queue-too-large': 'more waits to be acknowledged than may travel with a connection',
  'tiny-mss':
    'the client takes segments of less than 88 bytes, which the kernel does not let a restored socket send',
  'link-local': 'a link-local address means something only on its own host',
  'urgent-data': 'an urgent byte waits to be read, which cannot be taken to another socket',
  changing: 'a packet arrived while the connection was saved: it was not held',
  'address-not-here': 'the address is not (or, for IPv6, not yet) one of this host; add it to lo',
  'port-in-use': 'the port is taken',
  'port-forbidden': 'the port may not be used without CAP_NET_BIND_SERVICE',
  'connection-exists': 'this host already has a connection with the same ends',
  'no-route': 'this host has no route to the client',
  'no-memory': 'the kernel has no memory for the queues',
  'too-many-files': 'this process may not open more files; raise its limit (ulimit -n)',
  'id-in-use': 'another head has given it a connection of the same number',
  'no-credit': 'another head has given it what this one takes to be free',
  'kernel-refused': 'the kernel did not accept the state',
} as const;

export type RefusalReason = keyof typeof reasons;
export const refusalReasons = Object.keys(reasons) as [RefusalReason, ...RefusalReason[]];

/** An answer, not an error: what was asked for did not happen, and nothing else changed. */
export class Refusal {
  readonly reason: RefusalReason;
  /** The call that failed and the name of its errno, where one did. */
  readonly call: string;
  readonly errno: string;

  /** `result`: the negative errno. */
  constructor(reason: RefusalReason, call = '', result = 0) {
    this.reason = reason;
    this.call = call;
    this.errno = result === 0 ? '' : errnoName(result);
  }

  /** One line for a person. */
  get text(): string {
    const cause = this.call === '' ? '' : ` (${this.call}${this.errno === '' ? '' : `: ${this.errno}`})`;
    return `${reasons[this.reason]}${cause}`;
  }
}

const byErrno = new Map<string, RefusalReason>([
  ['EPERM', 'no-privilege'],
  ['ENOPROTOOPT', 'no-kernel-support'],
  ['ENOMEM', 'no-memory'],
  ['ENOBUFS', 'no-memory'],
  // A queue that takes no more.
  ['EAGAIN', 'no-memory'],
  ['EACCES', 'port-forbidden'],
  ['ENFILE', 'too-many-files'],
  ['EMFILE', 'too-many-files'],
  ['ENOTCONN', 'closed'],
  ['EADDRINUSE', 'port-in-use'],
  ['EADDRNOTAVAIL', 'address-not-here'],
  ['ENETDOWN', 'no-route'],
  ['ENETUNREACH', 'no-route'],
  ['EHOSTUNREACH', 'no-route'],
]);

/** For a system call whose errno says it all. */
export const refusalOf = (call: string, result: number): Refusal =>
  new Refusal(byErrno.get(errnoName(result)) ?? 'kernel-refused', call, result);
