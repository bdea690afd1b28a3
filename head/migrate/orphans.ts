/** Flows whose delivery is not to be heard, and how it is found out whether anybody has them. */
import { answersNow, type Steering } from '../steer/index.ts';
import type { Teller } from './teller.ts';

/**
 * A flow that nobody has claimed and that has had no packet for so long, milliseconds, is over: kernels ask whether an idle
 * connection is alive after two hours, and for eleven minutes (net.ipv4.tcp_keepalive_time).
 */
const SILENT_MS = 3 * 3_600_000;

/** Flows of which nobody who can be heard says that they live. */
export interface Orphans {
  /** Milliseconds of performance.now(): when their host is asked for. */
  until: number;
  isAsking: boolean;
  address: () => Promise<string | undefined>;
  readonly keys: () => Iterable<Buffer>;
  /** Forgets one of them, and tells its client. */
  readonly drop: (key: Buffer) => void;
  /** When each had how many packets. */
  readonly seen: Map<string, { packets: number; at: number }>;
}

/** A key as a Map's key: one character a byte. */
export const nameOf = (key: Buffer): string => key.toString('latin1');

/** Whether nobody can have these flows: their host does not answer, or (no address) has nobody left to claim them. */
export async function haveNobody(
  { address, keys, drop, seen }: Orphans,
  steering: Steering,
  teller: Teller,
): Promise<boolean> {
  const host = await address();
  if (host === undefined || !(await answersNow(host).catch(() => true))) return true;
  const now = performance.now();
  const mayAsk = teller.isIdle;
  for (const key of keys()) {
    const name = nameOf(key);
    const packets = steering.find(key)?.packets ?? 0;
    const before = seen.get(name);
    if (before?.packets !== packets) seen.set(name, { packets, at: now });
    else if (now - before.at > SILENT_MS) drop(key);
    if (mayAsk && (before === undefined || before.packets === packets)) teller.ask(key);
  }
  return false;
}
