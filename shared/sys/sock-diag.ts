/**
 * What the kernel still does for a connection whose fd was closed: asked over netlink (sock_diag(7)), because no fd is left
 * to ask. The answer is there when the question has been sent (net/core/sock_diag.c answers within sendto).
 */

import type { Endpoint } from './endpoints.ts';
import { check, lastErrno, libc, SystemError } from './libc.ts';
import { allocate } from './memory.ts';
import { closeFd } from './sockets.ts';

const c = {
  socket: libc.func('int socket(int, int, int)'),
  recv: libc.func('intptr_t recv(int, intptr_t, size_t, int)'),
  send: libc.func('intptr_t send(int, intptr_t, size_t, int)'),
};

const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLMSG_ERROR = 2;
const IPPROTO_TCP = 6;
const MSG_DONTWAIT = 0x40;
const ENOENT = -2;
/** include/net/tcp_states.h */
const ESTABLISHED = 1;
const TIME_WAIT = 6;
const CLOSED = 7;
const LISTENING = 10;

/** struct nlmsghdr (16 bytes), then struct inet_diag_req_v2 (linux/inet_diag.h): family 0, protocol 1, states 4, id 8. */
const REQUEST_SIZE = 72;
const REQUEST_AT = 16;
const ID_AT = REQUEST_AT + 8;
const ANSWER_AT = 128;
const ANSWER_SIZE = 2048;

export interface SocketDiagnosis {
  /**
   * Whether the kernel is done with a connection of this network namespace: all that was written has been acknowledged,
   * and both sides have ended. What may remain is TIME_WAIT, or a listener that takes the place of a socket which is gone.
   */
  isOver(local: Endpoint, peer: Endpoint): boolean;
  /**
   * Ends what is left of a connection that nobody has open any more; its peer may be sent a reset. False when it stays: it
   * is established, or the kernel cannot do it (CONFIG_INET_DIAG_DESTROY).
   */
  clear(local: Endpoint, peer: Endpoint): boolean;
  close(): void;
}

/** Throws SystemError where the kernel has no inet_diag. */
export function openSocketDiagnosis(): SocketDiagnosis {
  const fd = check('socket(NETLINK_SOCK_DIAG)', c.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_SOCK_DIAG));
  const { address, bytes, view, free } = allocate(4096);

  function ask(type: number, flags: number, local: Endpoint, peer: Endpoint): void {
    bytes.fill(0, 0, REQUEST_SIZE);
    view.setUint32(0, REQUEST_SIZE, true);
    view.setUint16(4, type, true);
    view.setUint16(6, NLM_F_REQUEST | flags, true);
    view.setUint8(REQUEST_AT, local.address.length === 4 ? AF_INET : AF_INET6);
    view.setUint8(REQUEST_AT + 1, IPPROTO_TCP);
    view.setUint32(REQUEST_AT + 4, 0xffffffff, true);
    view.setUint16(ID_AT, local.port, false);
    view.setUint16(ID_AT + 2, peer.port, false);
    bytes.set(local.address, ID_AT + 4);
    bytes.set(peer.address, ID_AT + 20);
    // INET_DIAG_NOCOOKIE: whichever socket it is.
    view.setBigUint64(ID_AT + 40, 0xffffffffffffffffn, true);
    check('send(NETLINK_SOCK_DIAG)', Number(c.send(fd, address, REQUEST_SIZE, MSG_DONTWAIT)));
  }

  /** The errno of the answer, or 0. */
  function readAnswer(): number {
    const n = Number(c.recv(fd, address + ANSWER_AT, ANSWER_SIZE, MSG_DONTWAIT));
    if (n < 0) throw new SystemError('recv(NETLINK_SOCK_DIAG)', lastErrno());
    const isError = view.getUint16(ANSWER_AT + 4, true) === NLMSG_ERROR;
    return isError ? view.getInt32(ANSWER_AT + 16, true) : 0;
  }

  /** CLOSED where there is none. */
  function stateOf(local: Endpoint, peer: Endpoint): number {
    ask(SOCK_DIAG_BY_FAMILY, 0, local, peer);
    const error = readAnswer();
    if (error === ENOENT) return CLOSED;
    if (error < 0) throw new SystemError('sock_diag', -error);
    // struct inet_diag_msg: family 0, state 1.
    return view.getUint8(ANSWER_AT + 17);
  }

  return {
    clear(local, peer) {
      if (stateOf(local, peer) === ESTABLISHED) return false;
      ask(SOCK_DESTROY, NLM_F_ACK, local, peer);
      return readAnswer() === 0;
    },
    isOver(local, peer) {
      const state = stateOf(local, peer);
      return state === TIME_WAIT || state === CLOSED || state === LISTENING;
    },
    close() {
      closeFd(fd);
      free();
    },
  };
}
