/** Makes the kernel settle the size of a connection's segments again, from what it knows of the peer by now. */
import { lastErrno, libc } from './libc.ts';

const setsockopt = libc.func('int setsockopt(int, int, int, intptr_t, uint32_t)');

const IPPROTO_IP = 0;
const IP_OPTIONS = 4;
const IPPROTO_IPV6 = 41;
const IPV6_RTHDR = 57;

/**
 * It does so when the options of its packets change, also from none to none (do_ip_setsockopt in net/ipv4/ip_sockglue.c,
 * ipv6_update_options in net/ipv6/ipv6_sockglue.c). `ipv6`: the packets are, not the socket alone. 0, or -errno.
 */
export function settleSegmentSize(fd: number, ipv6: boolean): number {
  const [level, option] = ipv6 ? [IPPROTO_IPV6, IPV6_RTHDR] : [IPPROTO_IP, IP_OPTIONS];
  return setsockopt(fd, level!, option!, 0, 0) < 0 ? -lastErrno() : 0;
}
