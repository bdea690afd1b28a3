/**
 * Moving a live TCP connection from one host to another: its kernel state becomes a message here, and a socket there.
 *
 * Sequence. The one that gives:
 *
 *     freeze(fd) -> save() -> encodeSaved -> ...
 *         the other has it:      hold the flow (the caller: no packet of the client may reach this host any more),
 *                                deafen(), isUnchanged(), then closeSilently()
 *                                or, when it has changed, thawQuietly() and once more from the start
 *         the other refused:     thawQuietly()
 *         nobody knows:          reset()
 *
 * The one that takes, once the client's packets will come to it or are still held:
 *
 *     decodeSaved -> prepare(state) -> activate(), an fd
 *                                   or abandon(): somebody else still speaks for the connection
 *                                   or reset(): nobody does
 *
 * Freezing does not keep packets away: what arrives at a frozen socket is acknowledged, and lost when the socket is
 * closed. `save` refuses as `changing` when it sees such a packet, and `isUnchanged` tells later. The flow may be held
 * from the start instead, at the price of a retransmission for a client that sends meanwhile; `thaw` makes it send
 * again at once. Timers go on too: what was sent and not acknowledged may be sent again, by a frozen socket and, after 200 ms at
 * the earliest, by a prepared one. Between closeSilently and activate nobody answers for the connection; before
 * closeSilently and after activate, both sides would, if the client's packets reached them.
 *
 * Privileges: CAP_NET_ADMIN in the user namespace that owns the network namespace of the socket (`canRepair` tells), and
 * CAP_NET_BIND_SERVICE to restore a port below net.ipv4.ip_unprivileged_port_start.
 *
 * Ownership: the fd given to freeze stays the caller's, who leaves it alone until thaw; closeSilently and reset close
 * it. The fd that activate returns is the caller's; until then, and after abandon or a refusal, there is none. What
 * save returns owns its bytes; what decodeSaved returns shares them with the message. Handles hold nothing else, but
 * a frozen connection that is forgotten stays frozen.
 *
 * What travels: both addresses (an IPv4 connection of a dual-stack socket as IPv4), sequence numbers, what the handshake
 * negotiated (MSS, SACK, window scales, timestamps), both windows, unread input, output that is sent and not
 * acknowledged, output that is not sent, that the client has ended its input, and of a connection that has sent what it knows of
 * its path (congestion.ts). What does not: segments that arrived out of order (the client still has them, RFC 2018
 * section 8, and sends them again), ECN (the restored socket neither marks nor echoes; a head with net.ipv4.tcp_ecn=0
 * does not negotiate it), socket options (TCP_NODELAY is set). An urgent byte that waits is
 * refused. Sockets with kernel TLS, MD5 or AO keys are not told apart: do not freeze them.
 *
 * The order of the steps follows CRIU's libsoccr (https://github.com/checkpoint-restore/criu, soccr/soccr.c), with three
 * differences, each explained where it is made: the timestamp is moved on so that it cannot go back, window scales of
 * 0 are set where none were negotiated, and a received FIN needs no forged packet.
 */
export { canRepair } from './can-repair.ts';
export { type Ends, endsOf } from './ends.ts';
export { FrozenConnection, freeze } from './freeze.ts';
export { type Telling, tellHalfOpen } from './half-open.ts';
export { Refusal, type RefusalReason, refusalReasons } from './refusal.ts';
export { endOutdated, PreparedConnection, prepare } from './restore.ts';
export { beginToResume, whyNotResumed } from './resume.ts';
export {
  decodeSaved,
  encodeSaved,
  RECEIVE_QUEUE_MAX,
  SAVED_MAX,
  type SavedConnection,
  SEND_QUEUE_MAX,
} from './saved.ts';
