/**
 * Gives a connection that is restored the window that it had: by a program that the kernel runs for the sockets of this
 * process's cgroup (resume.bpf.c), for as long as this process lives and no longer. Where that is not allowed a connection
 * begins as a new one does.
 */
import { closeSync } from 'node:fs';
import { linkMaps, readBpfObject } from '../bpf/object.ts';
import { attachSockOps, createLruHashMap, createSharedPlace, loadSockOps } from '../sys/bpf.ts';
import { openOwnCgroup } from '../sys/cgroup.ts';
import { socketCookie } from '../sys/cookie.ts';
import { type Memory, mapShared } from '../sys/memory.ts';
import { closeFd } from '../sys/sockets.ts';
import { type Congestion, startOf } from './congestion.ts';

/** Beside this file, in a checkout and in the package. */
const compiled = new URL('resume.bpf.o', import.meta.url);
const SECTION = 'sockops';
const NAME = 'baton_resume';

export const readResumeObject = (file: string | URL = compiled) => readBpfObject(file, SECTION);

/** struct order in resume.bpf.c. */
const ORDER = { cookie: 0, window: 8, start: 12, rate: 16, done: 20, size: 24 } as const;
/** The kernel gives an array whole pages (kernel/bpf/arraymap.c). */
const PAGE = 4096;
/** Of those that were restored last and have had nothing acknowledged since, as many may be told to go on at their own pace. */
const UNCONFIRMED = 8192;
/** A process may be put into another cgroup: then another program is attached, so many times. */
const ATTACHED_MAX = 3;

/** Of this thread: where the program is told what to do, or why there is none. */
let orders: Memory | string | undefined;
let attachedTimes = 0;

/** From now on, where nothing has needed it before. Why connections that move here begin anew; undefined: they do not. */
export function beginToResume(): string | undefined {
  orders ??= attached();
  return whyNotResumed();
}

/** The same, of what was tried so far. */
export const whyNotResumed = (): string | undefined => (typeof orders === 'string' ? orders : undefined);

/**
 * For a socket in repair mode: calls `connect`, in which its window is set, and returns what that does. `segment`: bytes of one.
 */
export function resuming(
  fd: number,
  congestion: Congestion | null,
  segment: number,
  connect: () => number,
): number {
  const start = congestion && startOf(congestion, segment);
  if (!start) return connect();
  orders ??= attached();
  if (typeof orders === 'string') return connect();
  const { view } = orders;
  view.setUint32(ORDER.window, start.window, true);
  view.setUint32(ORDER.start, start.segments, true);
  view.setUint32(ORDER.rate, start.rate, true);
  view.setUint32(ORDER.done, 0, true);
  view.setBigUint64(ORDER.cookie, socketCookie(fd), true);
  const connected = connect();
  view.setBigUint64(ORDER.cookie, 0n, true);
  if (connected >= 0 && view.getUint32(ORDER.done, true) === 0) missed();
  return connected;
}

/** The program did not run: this process is in another cgroup than before. The earlier one goes on for what it has begun. */
function missed(): void {
  orders =
    attachedTimes < ATTACHED_MAX
      ? undefined
      : 'the kernel does not run its program for the sockets of this process';
}

function attached(): Memory | string {
  const fds: number[] = [];
  const opened = (fd: number): number => {
    fds.push(fd);
    return fd;
  };
  attachedTimes++;
  try {
    const maps = {
      orders: opened(createSharedPlace('orders', ORDER.size)),
      unconfirmed: opened(createLruHashMap('unconfirmed', 8, 4, UNCONFIRMED)),
    };
    const program = opened(loadSockOps(NAME, linkMaps(readResumeObject(), maps)));
    const cgroup = openOwnCgroup();
    if (cgroup === undefined) return 'this kernel has no cgroups of version 2';
    try {
      const place = mapShared(maps.orders, 0, PAGE);
      // Nobody closes it: it ends with this process, and with it the program.
      attachSockOps(program, cgroup);
      return place;
    } finally {
      closeSync(cgroup);
    }
  } catch (error) {
    return (error as Error).message;
  } finally {
    // The link has the program, and that its maps.
    fds.forEach(closeFd);
  }
}
