/** epoll(7): readiness of many sockets with one call, for a thread that does nothing else. */
import { check, EINTR, lastErrno, libc } from './libc.ts';
import { allocate } from './memory.ts';
import { keepForThread } from './thread-end.ts';

const c = {
  create: libc.func('int epoll_create1(int)'),
  ctl: libc.func('int epoll_ctl(int, int, int, intptr_t)'),
  wait: libc.func('int epoll_wait(int, intptr_t, int, int)'),
};

const EPOLL_CLOEXEC = 0o2000000;
const CTL_ADD = 1;
const CTL_DEL = 2;
const CTL_MOD = 3;

export const READABLE = 0x1;
export const WRITABLE = 0x4;
/** An error or both directions closed; always reported. */
export const BROKEN = 0x8 | 0x10;
/** The peer has sent FIN. */
export const PEER_ENDED = 0x2000;
/** Report each change once instead of for as long as it lasts. */
export const EDGE = 0x80000000;

// struct epoll_event {u32 events; u64 data} is packed on x86-64 only (include/uapi/linux/eventpoll.h).
const dataAt = process.arch === 'x64' ? 4 : 8;
const eventSize = process.arch === 'x64' ? 12 : 16;

export interface Epoll {
  /** `tag` (32 bits) comes back with the events of `fd`. */
  add(fd: number, events: number, tag: number): void;
  modify(fd: number, events: number, tag: number): void;
  remove(fd: number): void;
  /** Waits at most `timeoutMs` (-1: for ever); the number of events, read with fdAt, tagAt and eventsAt. */
  wait(timeoutMs: number): number;
  fdAt(index: number): number;
  tagAt(index: number): number;
  eventsAt(index: number): number;
  readonly fd: number;
}

/** `capacity`: the most events that one wait returns. */
export function createEpoll(capacity: number): Epoll {
  const epfd = check('epoll_create1', c.create(EPOLL_CLOEXEC));
  const memory = allocate(eventSize * (capacity + 1));
  const scratch = eventSize * capacity;
  const { view } = memory;

  function control(operation: number, fd: number, events: number, tag: number): void {
    view.setUint32(scratch, events, true);
    view.setInt32(scratch + dataAt, fd, true);
    view.setInt32(scratch + dataAt + 4, tag, true);
    check('epoll_ctl', c.ctl(epfd, operation, fd, memory.address + scratch));
  }

  return {
    fd: epfd,
    add: (fd, events, tag) => control(CTL_ADD, fd, events, tag),
    modify: (fd, events, tag) => control(CTL_MOD, fd, events, tag),
    remove: (fd) => control(CTL_DEL, fd, 0, 0),
    wait(timeoutMs) {
      const n = c.wait(epfd, memory.address, capacity, timeoutMs);
      if (n >= 0) return n;
      // A signal is Node's to handle, on its own thread.
      if (lastErrno() === -EINTR) return 0;
      return check('epoll_wait', n);
    },
    fdAt: (index) => view.getInt32(index * eventSize + dataAt, true),
    tagAt: (index) => view.getInt32(index * eventSize + dataAt + 4, true),
    eventsAt: (index) => view.getUint32(index * eventSize, true),
  };
}

let probe = -1;

/** Throws a SystemError when epoll can not watch this fd: it is closed, or a regular file (EPERM). */
export function checkWatchable(fd: number): void {
  if (probe < 0) probe = keepForThread(check('epoll_create1', c.create(EPOLL_CLOEXEC)));
  const memory = allocate(eventSize);
  try {
    check('epoll_ctl', c.ctl(probe, CTL_ADD, fd, memory.address));
    check('epoll_ctl', c.ctl(probe, CTL_DEL, fd, memory.address));
  } finally {
    memory.free();
  }
}
