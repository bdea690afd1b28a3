/**
 * Telling a client that nobody has its connection any more, without knowing its sequence numbers: what RFC 9293 section
 * 3.5.1 calls the discovery of a half-open connection. A SYN from the server's end makes the client's kernel say where it
 * is (RFC 5961 section 4), which is no answer to the SYN, so that this host's kernel resets the connection with just the
 * numbers that the client takes. A client that has no such connection any more refuses the SYN.
 */

import { bindTo, connectTo, tcpSocketFor } from '../sys/endpoints.ts';
import { EINPROGRESS } from '../sys/libc.ts';
import { closeFd } from '../sys/sockets.ts';
import { readInfo, tcpInfo } from '../sys/tcp-info.ts';
import { enterRepair, leaveRepairQuietly, resetOnClose } from '../sys/tcp-repair.ts';
import type { Ends } from './ends.ts';
import { type Refusal, refusalOf } from './refusal.ts';

/** Whether a client has been told. `close` it in any case. */
export interface Telling {
  readonly isDone: boolean;
  close(): void;
}

/** The client's packets must reach this host. Refuses where this host has a connection with these ends. */
export function tellHalfOpen({ client, server }: Ends): Telling | Refusal {
  const fd = tcpSocketFor(server);
  if (fd < 0) return refusalOf('socket', fd);
  const refuse = (call: string, result: number): Refusal => {
    closeFd(fd);
    return refusalOf(call, result);
  };
  // The address is a listener's: repair mode forces it to be shared, and must be left before a SYN can be sent.
  const entered = enterRepair(fd);
  if (entered < 0) return refuse('TCP_REPAIR', entered);
  const bound = bindTo(fd, server);
  if (bound < 0) return refuse('bind', bound);
  leaveRepairQuietly(fd);
  const connected = connectTo(fd, client);
  if (connected < 0 && connected !== EINPROGRESS) return refuse('connect', connected);
  return {
    get isDone() {
      return readInfo(fd) < 0 || tcpInfo.state !== 'syn-sent';
    },
    close() {
      resetOnClose(fd);
      closeFd(fd);
    },
  };
}
