/** What changes in this network namespace, told by the kernel as it happens (rtnetlink(7)): nobody has to ask again and again. */
import { check, EAGAIN, lastErrno, libc, SystemError } from './libc.ts';
import { allocate } from './memory.ts';
import { watchReadable } from './readiness.ts';
import { closeFd } from './sockets.ts';

const c = {
  bind: libc.func('int bind(int, intptr_t, uint32_t)'),
  recv: libc.func('intptr_t recv(int, intptr_t, size_t, int)'),
  socket: libc.func('int socket(int, int, int)'),
};

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_FLAGS = 0o4000 | 0o2000000;
const NETLINK_ROUTE = 0;
const MSG_DONTWAIT = 0x40;
const ENOBUFS = -105;
const RTMGRP_LINK = 1;
const RTMGRP_NEIGH = 4;
const RTMGRP_TC = 8;
const RTMGRP_IPV4_IFADDR = 0x10;
const RTMGRP_IPV6_IFADDR = 0x100;
const GROUPS = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_TC | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
/** linux/rtnetlink.h; each family of messages is NEW, DEL, GET. */
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_NEWNEIGH = 28;
const RTM_NEWQDISC = 36;
const RTM_DELQDISC = 37;
const RTM_NEWTFILTER = 44;
const RTM_DELTFILTER = 45;
const NDA_DST = 1;
const NDA_LLADDR = 2;
const HEADER = 16;
/** struct ndmsg. */
const NEIGHBOUR_SIZE = 12;
const MAC_SIZE = 6;
const BUFFER_SIZE = 32_768;

const nameToIndex = libc.func('unsigned int if_nametoindex(const char *)');

/** A card's number; 0 where there is none of this name (if_nametoindex(3)). */
export const interfaceIndex = (name: string): number => nameToIndex(name);

export interface NetworkEvents {
  /** A card has changed, come or gone. */
  onLink(ifindex: number): void;
  /** A filter or queueing discipline of a card has changed or (`gone`) gone. */
  onFilter(ifindex: number, gone: boolean): void;
  /** A neighbour's address at layer 2 is known. */
  onNeighbour(address: Uint8Array, mac: Uint8Array): void;
  /** An address of this host has come or gone. */
  onAddress(): void;
  /** Events were lost: anything may have changed. */
  onLost(): void;
}

/** Until what it returns is called. Keeps the process alive until then. Throws a SystemError. */
export function watchNetwork(events: NetworkEvents): () => void {
  const fd = check('socket(NETLINK_ROUTE)', c.socket(AF_NETLINK, SOCK_RAW | SOCK_FLAGS, NETLINK_ROUTE));
  const { address, bytes, view, free } = allocate(BUFFER_SIZE);
  // struct sockaddr_nl: family 0, pid 4, groups 8.
  view.setUint16(0, AF_NETLINK, true);
  view.setUint32(8, GROUPS, true);
  if (c.bind(fd, address, 12) < 0) {
    const errno = lastErrno();
    closeFd(fd);
    free();
    throw new SystemError('bind(NETLINK_ROUTE)', errno);
  }

  function neighbour(at: number, end: number): void {
    let found: Uint8Array | undefined;
    let mac: Uint8Array | undefined;
    for (let attribute = at + NEIGHBOUR_SIZE; attribute + 4 <= end; ) {
      const length = view.getUint16(attribute, true);
      if (length < 4) return;
      const value = bytes.subarray(attribute + 4, attribute + length);
      const kind = view.getUint16(attribute + 2, true);
      if (kind === NDA_DST) found = value;
      else if (kind === NDA_LLADDR && value.length === MAC_SIZE) mac = value;
      attribute += (length + 3) & ~3;
    }
    if (found && mac) events.onNeighbour(Uint8Array.from(found), Uint8Array.from(mac));
  }

  function hear(type: number, at: number, end: number): void {
    // struct ifinfomsg and struct tcmsg have the card's number at 4.
    const ifindex = view.getUint32(at + 4, true);
    if (type === RTM_NEWLINK || type === RTM_DELLINK) events.onLink(ifindex);
    else if (type === RTM_NEWQDISC || type === RTM_NEWTFILTER) events.onFilter(ifindex, false);
    else if (type === RTM_DELQDISC || type === RTM_DELTFILTER) events.onFilter(ifindex, true);
    else if (type === RTM_NEWADDR || type === RTM_DELADDR) events.onAddress();
    else if (type === RTM_NEWNEIGH) neighbour(at, end);
  }

  function readAll(): void {
    for (;;) {
      const n = Number(c.recv(fd, address, BUFFER_SIZE, MSG_DONTWAIT));
      if (n < 0) {
        const errno = -lastErrno();
        if (errno === ENOBUFS) events.onLost();
        if (errno === EAGAIN) return;
        if (errno !== ENOBUFS) return;
        continue;
      }
      for (let at = 0; at + HEADER <= n; ) {
        const length = view.getUint32(at, true);
        if (length < HEADER || at + length > n) break;
        hear(view.getUint16(at + 4, true), at + HEADER, at + length);
        at += (length + 3) & ~3;
      }
    }
  }

  const readiness = watchReadable(fd, readAll);
  return () => {
    readiness.close();
    closeFd(fd);
    free();
  };
}
