/** TAP devices: network cards whose other end is a file, one frame a read or write (Documentation/networking/tuntap.rst). */
import { check, lastErrno, libc } from './libc.ts';
import { allocate, type Memory } from './memory.ts';
import { closeFd } from './sockets.ts';

const c = {
  open: libc.func('int open(const char *, int, int)'),
  ioctl: libc.func('int ioctl(int, unsigned long, intptr_t)'),
  read: libc.func('intptr_t read(int, intptr_t, size_t)'),
  write: libc.func('intptr_t write(int, intptr_t, size_t)'),
};

const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
/** linux/if_tun.h */
const TUNSETIFF = 0x400454ca;
const IFF_TAP = 0x2;
const IFF_NO_PI = 0x1000;

/** Makes a card called `name` in this network namespace. It goes when its fd is closed, wherever it was moved to. */
export function openTap(name: string): number {
  const fd = check('open /dev/net/tun', c.open('/dev/net/tun', O_RDWR | O_NONBLOCK | O_CLOEXEC, 0));
  // struct ifreq: the name in 16 bytes, then the flags.
  const request = allocate(40);
  try {
    request.bytes.write(name.slice(0, 15), 0, 'latin1');
    request.view.setUint16(16, IFF_TAP | IFF_NO_PI, true);
    check('ioctl(TUNSETIFF)', c.ioctl(fd, TUNSETIFF, request.address));
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  } finally {
    request.free();
  }
}

/** Takes one frame that left through the card: its length, or -errno. */
export function readFrame(fd: number, into: Memory, offset: number, length: number): number {
  const n = Number(c.read(fd, into.address + offset, length));
  return n < 0 ? -lastErrno() : n;
}

/** Has one frame arrive at the card. */
export function writeFrame(fd: number, from: Memory, offset: number, length: number): number {
  const n = Number(c.write(fd, from.address + offset, length));
  return n < 0 ? -lastErrno() : n;
}
