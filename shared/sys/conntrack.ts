/**
 * The kernel's table of connections that firewalls ask (nf_conntrack), written over netlink. Where nothing of it is in use
 * it has no entries, and nothing is asked.
 */
import { readFileSync } from 'node:fs';
import { libc } from './libc.ts';
import { allocate } from './memory.ts';
import { closeFd } from './sockets.ts';

const c = {
  recv: libc.func('intptr_t recv(int, intptr_t, size_t, int)'),
  send: libc.func('intptr_t send(int, intptr_t, size_t, int)'),
  socket: libc.func('int socket(int, int, int)'),
};

const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_NETFILTER = 12;
const MSG_DONTWAIT = 0x40;
const NLM_F_REQUEST = 1;
/** NFNL_SUBSYS_CTNETLINK and IPCTNL_MSG_CT_DELETE (linux/netfilter/nfnetlink_conntrack.h). */
const CT_DELETE = (1 << 8) | 2;
const NESTED = 1 << 15;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_SRC = 3;
const CTA_IP_V6_DST = 4;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_SRC_PORT = 2;
const CTA_PROTO_DST_PORT = 3;
const IPPROTO_TCP = 6;
const MESSAGE_MAX = 256;

interface ConntrackEnds {
  readonly client: { readonly address: Uint8Array; readonly port: number };
  readonly server: { readonly address: Uint8Array; readonly port: number };
}

export interface Conntrack {
  /** Whether it has entries at all in this network namespace. */
  isInUse(): boolean;
  /** Forgets the connection that a client has opened; nothing where it is not known. */
  forget(ends: ConntrackEnds): void;
  close(): void;
}

/** Undefined where the kernel has none. */
export function openConntrack(): Conntrack | undefined {
  const fd = c.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_NETFILTER);
  if (fd < 0) return undefined;
  const { address, bytes, view, free } = allocate(4096);
  let at = 0;

  function attribute(kind: number, write: () => void): void {
    const begin = at;
    at += 4;
    write();
    view.setUint16(begin, at - begin, true);
    view.setUint16(begin + 2, kind, true);
    // The next one begins at a multiple of 4.
    while ((at & 3) !== 0) bytes[at++] = 0;
  }
  const blob = (kind: number, value: Uint8Array) =>
    attribute(kind, () => {
      bytes.set(value, at);
      at += value.length;
    });
  const port = (kind: number, value: number) =>
    attribute(kind, () => {
      view.setUint16(at, value, false);
      at += 2;
    });

  function write({ client, server }: ConntrackEnds): void {
    const isV4 = client.address.length === 4;
    bytes.fill(0, 0, MESSAGE_MAX);
    // struct nlmsghdr: length 0, type 4, flags 6; struct nfgenmsg: family 0, version 1, resource 2.
    view.setUint16(4, CT_DELETE, true);
    view.setUint16(6, NLM_F_REQUEST, true);
    view.setUint8(16, isV4 ? AF_INET : AF_INET6);
    at = 20;
    attribute(CTA_TUPLE_ORIG | NESTED, () => {
      attribute(CTA_TUPLE_IP | NESTED, () => {
        blob(isV4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, client.address);
        blob(isV4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, server.address);
      });
      attribute(CTA_TUPLE_PROTO | NESTED, () => {
        blob(CTA_PROTO_NUM, Uint8Array.of(IPPROTO_TCP));
        port(CTA_PROTO_SRC_PORT, client.port);
        port(CTA_PROTO_DST_PORT, server.port);
      });
    });
    view.setUint32(0, at, true);
  }

  return {
    isInUse() {
      try {
        return Number(readFileSync('/proc/sys/net/netfilter/nf_conntrack_count', 'latin1')) > 0;
      } catch {
        return false;
      }
    },
    forget(ends) {
      write(ends);
      c.send(fd, address, at, MSG_DONTWAIT);
      // An answer comes only where there was no such connection, before send returns.
      c.recv(fd, address, MESSAGE_MAX, MSG_DONTWAIT);
    },
    close() {
      closeFd(fd);
      free();
    },
  };
}
