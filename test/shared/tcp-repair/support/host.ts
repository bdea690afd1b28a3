/** A head or a delivery as far as TCP repair goes: sockets, and the handle under test. Runs in a namespace of its own. */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connectTo, tcpSocketFor } from '../../../../shared/sys/endpoints.ts';
import { check, EAGAIN, libc } from '../../../../shared/sys/libc.ts';
import { allocate } from '../../../../shared/sys/memory.ts';
import { bindReuseport } from '../../../../shared/sys/reuseport.ts';
import {
  acceptNonBlocking,
  closeFd,
  endWriting,
  listen,
  receive,
  write,
} from '../../../../shared/sys/sockets.ts';
import { pathInfo, readInfo, tcpInfo } from '../../../../shared/sys/tcp-info.ts';
import { makeRoomToSend } from '../../../../shared/sys/tcp-repair.ts';
import { seqpacketPair } from '../../../../shared/sys/unix-sockets.ts';
import { createWake } from '../../../../shared/sys/wake.ts';
import {
  beginToResume,
  canRepair,
  decodeSaved,
  encodeSaved,
  type FrozenConnection,
  freeze,
  type PreparedConnection,
  prepare,
  Refusal,
  whyNotResumed,
} from '../../../../shared/tcp-repair/index.ts';
import { serveCalls } from './agent.ts';
import { tcpCounters } from './counters.ts';
import { digestOf, pattern } from './pattern.ts';

const memory = allocate(1 << 20);
const frozen = new Map<number, FrozenConnection>();
const prepared: PreparedConnection[] = [];
const serving = new Map<number, () => void>();
/** A stream closes its fd by itself when both sides have ended; it stays here until its number is closed, or is another's. */
const streams = new Map<number, Socket>();

function isNew(fd: number): number {
  streams.delete(fd);
  return fd;
}

function streamOf(fd: number): Socket {
  let socket = streams.get(fd);
  if (!socket) {
    socket = new Socket({ fd, allowHalfOpen: true, readable: true, writable: true });
    socket.on('error', () => {});
    socket.pause();
    streams.set(fd, socket);
  }
  return socket;
}

/** SIOCINQ and SIOCOUTQ (tcp(7)). */
const ioctl = libc.func('int ioctl(int, unsigned long, intptr_t)');
function queued(fd: number, request: number): number {
  check('ioctl', ioctl(fd, request, memory.address));
  return memory.view.getInt32(0, true);
}

const refused = (refusal: Refusal) => ({ reason: refusal.reason, text: refusal.text });

const methods = {
  canRepair: (): string => {
    const answer = canRepair();
    return answer === true ? 'yes' : answer.reason;
  },
  async listen(host: string, wanted = 0): Promise<{ fd: number; port: number }> {
    const { fds, bound } = await bindReuseport({ host, port: wanted }, 1);
    listen(fds[0]!, 16);
    return { fd: fds[0]!, port: bound.port };
  },
  async accept(listener: number): Promise<number> {
    for (;;) {
      const fd = acceptNonBlocking(listener);
      if (fd !== EAGAIN) return isNew(fd);
      await delay(1);
    }
  },
  /** Whether Node can bind a listener of its own to the port. */
  canListen: (host: string, port: number): Promise<boolean> =>
    new Promise((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
    }),
  /** Takes exactly so many bytes. */
  async take(fd: number, length: number): Promise<Uint8Array> {
    const parts: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const n = receive(fd, memory, 0, Math.min(left, memory.bytes.length));
      if (n === EAGAIN) await delay(1);
      else if (n <= 0) throw new Error(`${left} bytes short: ${n}`);
      else {
        parts.push(Buffer.from(memory.bytes.subarray(0, n)));
        left -= n;
      }
    }
    return Buffer.concat(parts);
  },
  /** recv(2) once: bytes, 0 at the end, -errno. */
  takeOnce: (fd: number): number => receive(fd, memory, 0, memory.bytes.length),
  /** Writes what fits; how much that was. */
  put(fd: number, bytes: Uint8Array): number {
    let done = 0;
    while (done < bytes.length) {
      const part = bytes.subarray(done, done + memory.bytes.length);
      memory.bytes.set(part);
      const n = write(fd, memory, 0, part.length);
      if (n <= 0) break;
      done += n;
    }
    return done;
  },
  /** Writes all; resolves when the kernel has it. */
  async answer(fd: number, seed: number, length: number): Promise<void> {
    await new Promise<void>((resolve, reject) =>
      streamOf(fd).write(pattern(seed, length), (error) => (error ? reject(error) : resolve())),
    );
  },
  /** Writes all of it, without a stream, which would close the fd when it likes. */
  async putAll(fd: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; await delay(1)) done += methods.put(fd, bytes.subarray(done));
  },
  /** Reads so many bytes as a stream, or to the end; their digest. */
  async digest(fd: number, length: number): Promise<{ length: number; digest: string }> {
    const socket = streamOf(fd);
    const chunks: Buffer[] = [];
    let total = 0;
    await new Promise<void>((resolve) => {
      const onData = (chunk: Buffer) => {
        chunks.push(chunk);
        total += chunk.length;
        if (total >= length) done();
      };
      const done = () => {
        socket.off('data', onData).off('end', done).off('close', done).pause();
        resolve();
      };
      socket.on('data', onData).on('end', done).on('close', done).resume();
    });
    return { length: total, digest: digestOf(...chunks) };
  },
  /** Answers each byte with `length`, until `stopServing`. */
  serve(fd: number, length: number): void {
    const bytes = Buffer.alloc(length, 0x2e);
    let open = true;
    const look = () => {
      if (!open) return;
      if (receive(fd, memory, 0, 1) === 1) void methods.putAll(fd, bytes);
      setTimeout(look, 1);
    };
    serving.set(fd, () => {
      open = false;
    });
    look();
  },
  stopServing: (fd: number): void => serving.get(fd)?.(),
  whyNotResumed: (): string => whyNotResumed() ?? '',
  beginToResume: (): string => beginToResume() ?? '',
  path: (fd: number) => ({ result: readInfo(fd), ...pathInfo() }),
  /** Sends FIN after all that was written. */
  finish: (fd: number): void => void (streams.has(fd) ? streamOf(fd).end() : endWriting(fd)),
  close(fd: number): void {
    const stream = streams.get(fd);
    streams.delete(fd);
    if (stream) stream.destroy();
    else closeFd(fd);
  },
  info: (fd: number) => {
    const result = readInfo(fd);
    return { ...tcpInfo, result };
  },
  /** Lets so much wait for a client that does not read. */
  sendBuffer: (fd: number, bytes: number): void => void makeRoomToSend(fd, bytes),
  /** fds of other kinds. */
  eventFd: (): number => createWake(),
  unixSocket: (): number => seqpacketPair()[0],
  /** A connection to where nobody answers. */
  startConnecting(): number {
    const nobody = { address: Uint8Array.of(10, 77, 0, 77), port: 9 };
    const fd = tcpSocketFor(nobody);
    connectTo(fd, nobody);
    return fd;
  },
  /** The ends as an application sees them. */
  names(fd: number) {
    const { remoteAddress, remoteFamily, localAddress } = streamOf(fd);
    return { remoteAddress, remoteFamily, localAddress };
  },
  openFiles: (): number => readdirSync('/proc/self/fd').length,
  /** Bytes that can be read, and bytes written that the client has not acknowledged. */
  unread: (fd: number): number => queued(fd, 0x541b),
  unacknowledged: (fd: number): number => queued(fd, 0x5411),
  /** Sockets of this namespace with that local port, those in FIN_WAIT2 and TIME_WAIT too. */
  sockets(port: number): number {
    const pattern = new RegExp(
      `^ *\\d+: [0-9A-F]+:${port.toString(16).toUpperCase().padStart(4, '0')} `,
      'gm',
    );
    return [...readFileSync('/proc/net/tcp', 'utf8').matchAll(pattern)].length;
  },
  freeze(fd: number): { reason: string; text: string } {
    const answer = freeze(fd);
    if (answer instanceof Refusal) return refused(answer);
    frozen.set(fd, answer);
    return { reason: '', text: '' };
  },
  save(fd: number): { reason: string; message: Uint8Array } {
    const state = frozen.get(fd)!.save();
    if (state instanceof Refusal) return { ...refused(state), message: Buffer.alloc(0) };
    return { reason: '', message: encodeSaved(state) };
  },
  /** Both in one go, as the head does: what freezing has read counts for what is saved. */
  freezeAndSave(fd: number): { reason: string; message: Uint8Array } {
    const { reason } = methods.freeze(fd);
    return reason === '' ? methods.save(fd) : { reason, message: Buffer.alloc(0) };
  },
  isUnchanged: (fd: number): boolean => frozen.get(fd)!.isUnchanged(),
  thaw: (fd: number): void => frozen.get(fd)!.thaw(),
  closeSilently: (fd: number): void => frozen.get(fd)!.closeSilently(),
  reset: (fd: number): void => frozen.get(fd)!.reset(),
  /** A number for activate or abandon. */
  prepare(message: Uint8Array): { reason: string; text: string; handle: number } {
    const answer = prepare(decodeSaved(message));
    if (answer instanceof Refusal) return { ...refused(answer), handle: -1 };
    return { reason: '', text: '', handle: prepared.push(answer) - 1 };
  },
  activate(handle: number): number {
    const fd = prepared[handle]!.activate();
    if (fd instanceof Refusal) throw new Error(fd.text);
    return isNew(fd);
  },
  abandon: (handle: number): void => prepared[handle]!.abandon(),
  counters: tcpCounters,
};

export type HostMethods = typeof methods;
serveCalls(methods);
