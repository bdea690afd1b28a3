/**
 * Batches of system calls through io_uring(7): calls are written into a queue that this process and the kernel share,
 * and one io_uring_enter(2) makes them all. None of them waits (the sockets are non-blocking), so each has its answer
 * when io_uring_enter returns; readiness is not asked of the ring, epoll tells it. What is saved is the way into the
 * kernel and back, for all calls of a batch but the first.
 *
 * Layouts: include/uapi/linux/io_uring.h. io_uring_params 120 bytes (sq_entries 0, cq_entries 4, flags 8, sq_off 40,
 * cq_off 80), io_sqring_offsets (head 0, tail 4, array 24), io_cqring_offsets (head 0, tail 4, cqes 20), io_uring_sqe
 * 64 bytes (opcode 0, flags 1, fd 4, addr2 8, addr 16, len 24, op_flags 28, user_data 32), io_uring_cqe 16 bytes
 * (user_data 0, res 8).
 */
import { type Calls, TICKETS, type Ticket } from './calls.ts';
import { EBADF, EINTR, lastErrno, libc, SystemError } from './libc.ts';
import { allocate, type Memory, mapShared } from './memory.ts';
import { closeFd } from './sockets.ts';
import { closeKept, keepForThread } from './thread-end.ts';

const setup = libc.func('long syscall(long, uint32_t, intptr_t)');
const enter = libc.func('int syscall(long, int, uint32_t, uint32_t, uint32_t, intptr_t, size_t)');
/** The same on every architecture (they were added after the numbers were made common). */
const SYS_IO_URING_SETUP = 425;
const SYS_IO_URING_ENTER = 426;

const SETUP_SUBMIT_ALL = 1 << 7;
const SETUP_COOP_TASKRUN = 1 << 8;
const SETUP_SINGLE_ISSUER = 1 << 12;
const FEAT_SINGLE_MMAP = 1;
const ENTER_GETEVENTS = 1;
const OFFSET_SQES = 0x10000000;

/** With IORING_ACCEPT_DONTWAIT (1 << 1) in ioprio, the upper half of the first word (Linux 6.10). */
const OP_ACCEPT = 13 | (2 << 16);
const OP_CLOSE = 19;
const OP_SEND = 26;
const OP_RECV = 27;

const SOCK_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
const MSG_PEEK = 0x2;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_MORE = 0x8000;

/** Calls of one batch; a fuller one is made in several. */
const ENTRIES = 512;
const WORDS_PER_SQE = 16;
const WORDS_PER_CQE = 4;

/** Undefined where the kernel has no io_uring, an old one (before Linux 6.10), or forbids it to this process. */
export function openRing(): Calls | undefined {
  const params = allocate(4096);
  try {
    params.view.setUint32(8, SETUP_SUBMIT_ALL | SETUP_COOP_TASKRUN | SETUP_SINGLE_ISSUER, true);
    const fd = Number(setup(SYS_IO_URING_SETUP, ENTRIES, params.address));
    if (fd < 0) return undefined;
    if ((params.view.getUint32(20, true) & FEAT_SINGLE_MMAP) === 0) {
      closeFd(fd);
      return undefined;
    }
    const ring = new Ring(keepForThread(fd), params.view);
    if (ring.acceptsWithoutWaiting()) return ring;
    ring.end();
    return undefined;
  } finally {
    params.free();
  }
}

class Ring implements Calls {
  readonly together = true;
  readonly #fd: number;
  readonly #rings: Memory;
  readonly #entries: Memory;
  /** Indices into `#ring`, in 32-bit words. */
  readonly #ring: Int32Array;
  readonly #sqTail: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqes: number;
  readonly #cqMask: number;
  readonly #sqes: Int32Array;
  readonly #results = new Int32Array(TICKETS);
  readonly #nowhere = allocate(4096);
  #next = 0;
  #queued = 0;
  /** The queues' positions; they count modulo 2^32, which `| 0` keeps in a word. */
  #tail = 0;
  #head = 0;

  constructor(fd: number, params: DataView) {
    const word = (offset: number): number => params.getUint32(offset, true);
    const cqEntries = word(4);
    const array = word(40 + 24);
    const cqes = word(80 + 20);
    this.#fd = fd;
    this.#rings = mapShared(fd, 0, Math.max(array + 4 * ENTRIES, cqes + 16 * cqEntries));
    this.#entries = mapShared(fd, OFFSET_SQES, 64 * ENTRIES);
    this.#ring = new Int32Array(this.#rings.view.buffer);
    this.#sqes = new Int32Array(this.#entries.view.buffer);
    this.#sqTail = word(40 + 4) >> 2;
    this.#cqHead = word(80) >> 2;
    this.#cqTail = word(80 + 4) >> 2;
    this.#cqes = cqes >> 2;
    this.#cqMask = cqEntries - 1;
    // The queue names its entries by number; entry N is always the Nth.
    for (let at = 0; at < ENTRIES; at++) this.#ring[(array >> 2) + at] = at;
  }

  /** A kernel that does not know the flag says so before it looks at the fd. */
  acceptsWithoutWaiting(): boolean {
    const ticket = this.accept(-1, undefined, 0);
    this.run();
    return this.result(ticket) === EBADF;
  }

  #queue(op: number, fd: number, address: number, length: number, flags: number, second = 0): Ticket {
    if (this.#queued === ENTRIES) this.run();
    const ticket = this.#next++ % TICKETS;
    const sqes = this.#sqes;
    const at = ((this.#tail + this.#queued) & (ENTRIES - 1)) * WORDS_PER_SQE;
    this.#queued++;
    sqes[at] = op;
    sqes[at + 1] = fd;
    sqes[at + 2] = second;
    sqes[at + 3] = second / 2 ** 32;
    sqes[at + 4] = address;
    sqes[at + 5] = address / 2 ** 32;
    sqes[at + 6] = length;
    sqes[at + 7] = flags;
    sqes[at + 8] = ticket;
    return ticket;
  }

  accept(listener: number, into: Memory | undefined, offset: number): Ticket {
    if (!into) return this.#queue(OP_ACCEPT, listener, 0, 0, SOCK_NONBLOCK_CLOEXEC);
    const address = into.address + offset;
    into.view.setUint32(offset + 128, 128, true);
    return this.#queue(OP_ACCEPT, listener, address, 0, SOCK_NONBLOCK_CLOEXEC, address + 128);
  }

  peek(fd: number, into: Memory, offset: number, length: number): Ticket {
    return this.#queue(OP_RECV, fd, into.address + offset, length, MSG_PEEK | MSG_DONTWAIT);
  }

  receive(fd: number, into: Memory, offset: number, length: number): Ticket {
    return this.#queue(OP_RECV, fd, into.address + offset, length, MSG_DONTWAIT);
  }

  discard(fd: number, length: number): Ticket {
    return this.#queue(OP_RECV, fd, this.#nowhere.address, length, MSG_TRUNC | MSG_DONTWAIT);
  }

  writeLast(fd: number, from: Memory, offset: number, length: number): Ticket {
    return this.#queue(OP_SEND, fd, from.address + offset, length, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE);
  }

  close(fd: number): void {
    this.#queue(OP_CLOSE, fd, 0, 0, 0);
  }

  run(): void {
    const count = this.#queued;
    if (count === 0) return;
    this.#queued = 0;
    this.#tail = (this.#tail + count) | 0;
    Atomics.store(this.#ring, this.#sqTail, this.#tail);
    let submit = count;
    for (let left = count; left > 0; left -= this.#collect()) {
      const n = enter(SYS_IO_URING_ENTER, this.#fd, submit, left, ENTER_GETEVENTS, 0, 0);
      if (n >= 0) submit -= n;
      else if (lastErrno() !== -EINTR) throw new SystemError('io_uring_enter', lastErrno());
    }
  }

  /** Reads the answers that there are; how many. */
  #collect(): number {
    const ring = this.#ring;
    const tail = Atomics.load(ring, this.#cqTail);
    const count = (tail - this.#head) | 0;
    for (; this.#head !== tail; this.#head = (this.#head + 1) | 0) {
      const at = this.#cqes + (this.#head & this.#cqMask) * WORDS_PER_CQE;
      this.#results[ring[at]!] = ring[at + 2]!;
    }
    Atomics.store(ring, this.#cqHead, tail);
    return count;
  }

  result(ticket: Ticket): number {
    return this.#results[ticket]!;
  }

  end(): void {
    this.run();
    this.#rings.free();
    this.#entries.free();
    this.#nowhere.free();
    closeKept(this.#fd);
  }
}
