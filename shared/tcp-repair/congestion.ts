/**
 * What a connection knows of its path when it has sent, and how it begins with that on another host. A move is what RFC 9959
 * (careful resume) is made for, in its best case: the same two ends, moments later, and of their path only the last step is new.
 */
import { readFileSync } from 'node:fs';
import { congestionControl, type PathInfo, pathInfo } from '../sys/tcp-info.ts';

export interface Congestion {
  /** Segments that may be on their way. */
  readonly window: number;
  /** Microseconds, smoothed (RFC 6298). */
  readonly roundTrip: number;
  /** Bytes a second at which what may be on its way is sent. */
  readonly rate: number;
  /** A round trip was measured not long ago. */
  readonly isFresh: boolean;
}

/** As long as BBR believes in the shortest round trip that it has measured (net/ipv4/tcp_bbr.c). */
const FRESH_MS = 10_000;
/**
 * BBR paces, by what it has measured. Others send at once what they may, unless the host has fq for them; after a move they pace
 * as well, until a round trip is measured: so fast that it takes a fifth of one.
 */
const PARTS = 5;

/**
 * Whoever says what a connection had could have it flood a network: no more is believed than what the kernel lets be on its way by
 * default, 4 MB less its own expenses (net.ipv4.tcp_wmem).
 */
const WINDOW_MAX = 4096;
/** A round trip that takes longer is not believed either, microseconds: pacing by it would be as good as silence. */
const ROUND_TRIP_MAX = 4_000_000;
/** SO_MAX_PACING_RATE in 32 bits; the highest number is none. */
const RATE_MAX = 0xffff_fffe;
const U32_MAX = 0xffff_ffff;
/** Segments of a new connection, where no route says otherwise (RFC 6928). */
const INITIAL_WINDOW = 10;

/** tcpi_ca_state: TCP_CA_CWR, and from there on, and TCP_CA_Loss (include/uapi/linux/tcp.h). */
const REDUCING = 2;
const LOSS = 4;

/** Of what `readInfo` has just read of `fd`; null where there is nothing to tell, as before anything was sent. */
export function congestionOf(fd: number): Congestion | null {
  const path = pathInfo();
  if (path.dataSegmentsSent === 0) return path.rateLimit === undefined ? null : passedOn(fd, path);
  const { roundTrip, recovery, silentMs } = path;
  if (roundTrip === 0 || recovery === LOSS) return null;
  const isBbr = congestionControl(fd).startsWith('bbr');
  const reached = recovery >= REDUCING ? Math.min(path.window, path.threshold) : path.window;
  const window = isBbr ? reached : decayed(reached, path);
  if (window === undefined) return null;
  const rate = isBbr ? Math.min(path.rate, RATE_MAX) : rateOf(window, path.segment, roundTrip, PARTS);
  return { window, roundTrip, rate, isFresh: silentMs <= FRESH_MS };
}

/** It has moved before and has sent nothing since: what it was restored with is all there is. Of its round trip a rough idea. */
function passedOn(fd: number, path: PathInfo): Congestion | null {
  const { segment, rateLimit: rate } = path;
  if (!rate || rate > RATE_MAX) return null;
  const had = Math.max(1, path.window - inOneGo(rate, segment));
  const window = congestionControl(fd).startsWith('bbr') ? had : decayed(had, path);
  if (window === undefined) return null;
  const roundTrip = Math.min(Math.ceil((2 * had * segment * 1e6) / rate), U32_MAX);
  return { window, roundTrip, rate, isFresh: true };
}

/**
 * Of one that has sent nothing for a while the kernel halves the window at the next sending, once for each timeout that has
 * passed, down to that of a new connection (net/ipv4/tcp_output.c, tcp_cwnd_restart); so it is where it has not moved: undefined when
 * nothing more is left of it. BBR keeps it, and paces.
 */
function decayed(window: number, { silentMs, timeout }: PathInfo): number | undefined {
  const times = Math.floor((silentMs * 1000) / Math.max(timeout, 1));
  if (times === 0 || window <= INITIAL_WINDOW || !slowsDownAfterIdle()) return window;
  const left = window >>> Math.min(times, 31);
  return left > INITIAL_WINDOW ? left : undefined;
}

let slowsDown: boolean | undefined;
/** As this namespace is set when it is first asked. */
function slowsDownAfterIdle(): boolean {
  if (slowsDown === undefined) {
    try {
      slowsDown = readFileSync('/proc/sys/net/ipv4/tcp_slow_start_after_idle', 'utf8').trim() !== '0';
    } catch {
      slowsDown = true;
    }
  }
  return slowsDown;
}

/** `parts`: in which part of a round trip a whole window is sent. */
const rateOf = (window: number, segment: number, roundTrip: number, parts: number): number =>
  Math.min(Math.ceil((parts * window * segment * 1e6) / roundTrip), RATE_MAX);

/**
 * Segments that the kernel sends in one go when it paces: what it may send at this rate within a millisecond, 64 kB at most
 * (net/ipv4/tcp_output.c, tcp_tso_autosize). As long as it has measured no round trip it holds back the last ones of an answer when
 * there is not room for as many in the window, until the first are acknowledged (tcp_tso_should_defer).
 */
const inOneGo = (rate: number, segment: number): number => Math.ceil(Math.min(rate / 1024, 65_536) / segment);

/** How a restored connection begins. */
export interface Start {
  /** Segments that it had on its way, as far as that is believed, and those that it may have now. */
  readonly window: number;
  readonly segments: number;
  /** Bytes a second, until a round trip is measured. */
  readonly rate: number;
}

/** `segment`: bytes. Undefined for what nobody would use. */
export function startOf(
  { window, roundTrip, rate, isFresh }: Congestion,
  segment: number,
): Start | undefined {
  if (window === 0 || roundTrip === 0 || roundTrip > ROUND_TRIP_MAX) return undefined;
  const believed = Math.min(window, WINDOW_MAX);
  // RFC 9959: half, until what is sent by it has been acknowledged.
  const allowed = isFresh ? believed : Math.max(1, believed >>> 1);
  const slowest = rateOf(allowed, segment, roundTrip, 0.5);
  const fastest = rateOf(allowed, segment, roundTrip, PARTS);
  const paced = Math.min(Math.max(rate, slowest), fastest);
  return { window: believed, segments: allowed + inOneGo(paced, segment), rate: paced };
}
