/** What the generator, and not the server, was short of: a run in which that happened says so, and that it did not keep up. */
import { readFileSync } from 'node:fs';
import type { VisitResult } from './result.ts';

/** A visit begun later than this is late: ten times what the alarm needs at its worst on an idle machine. */
export const LATE_AFTER_MICROS = 2000;
/** Beyond this at p99, the generator's own delay is too large a part of what is measured. */
const LATENESS_MAX_MICROS = 10_000;
/** Of one core. Above it answers wait for the generator, and requests are sent when it comes to them. */
const CPU_SHARE_MAX = 0.9;
/** Shorter measurements are mostly the start of a process, which takes all of a core. */
const CPU_TELLS_AFTER_MICROS = 1_000_000;

/** Failures that are this machine's, by name: what happened to so many visits, and what to do about it. */
const ownFailures: Readonly<Record<string, (visits: string) => string>> = {
  not_sent: (visits) => `${visits} never begun; lower the rate or free a core`,
  over_cap: (visits) =>
    `${visits} not begun because too many were going on at once; raise --max-in-flight or lower the rate`,
  no_port: (visits) =>
    `${visits} refused for want of a local address or port${portRange()}; a port is used again a minute after its connection: lower the rate, widen the range (sysctl -w net.ipv4.ip_local_port_range="1024 65535") or visit several addresses of the server`,
  no_file_descriptor: (visits) =>
    `${visits} refused for want of a file descriptor; raise the limit (ulimit -n) or lower --max-in-flight`,
  no_memory: (visits) =>
    `${visits} refused for want of memory for a socket; lower --max-in-flight, or raise net.ipv4.tcp_mem`,
  not_permitted: (visits) =>
    `${visits} not permitted to leave this machine; look at its firewall and its table of connections (net.netfilter.nf_conntrack_max)`,
};

/** The kernel's names of these failures (connect(2), socket(2)). */
export const ownErrors: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: 'no_port',
  EMFILE: 'no_file_descriptor',
  ENFILE: 'no_file_descriptor',
  ENOBUFS: 'no_memory',
  ENOMEM: 'no_memory',
  EACCES: 'not_permitted',
  EPERM: 'not_permitted',
};

interface Measured {
  readonly failures: VisitResult['failures'];
  /** p99 of intended start to actual start, and of the waits of the event loop between turns that were due. */
  readonly lateMicros: number;
  readonly loopMicros: number;
  readonly cpuMicros: number;
  readonly wallMicros: number;
}

/** One line each; none when the figures are the server's. */
export function ownLimits({ failures, lateMicros, loopMicros, cpuMicros, wallMicros }: Measured): string[] {
  const all: string[] = [];
  const ms = (micros: number) => `${(micros / 1000).toFixed(1)} ms`;
  if (lateMicros > LATENESS_MAX_MICROS)
    all.push(`1 % of the visits began more than ${ms(lateMicros)} late; lower the rate or free a core`);
  else if (loopMicros > LATENESS_MAX_MICROS)
    all.push(`1 % of the time it was held up for more than ${ms(loopMicros)}; lower the rate or free a core`);
  const share = cpuMicros / wallMicros;
  if (wallMicros >= CPU_TELLS_AFTER_MICROS && share > CPU_SHARE_MAX)
    all.push(
      `it used ${(share * 100).toFixed(0)} % of a core, all that one generator has; lower the rate or run several`,
    );
  return [...all.map(keptBehind), ...ownShortages(failures)];
}

/** Of these only, for crowds whose members are late because they come all at once. */
export function ownShortages(failures: VisitResult['failures']): string[] {
  return Object.entries(ownFailures)
    .filter(([name]) => failures[name] !== undefined)
    .map(([name, tell]) => tell(failures[name] === 1 ? '1 visit was' : `${failures[name]} visits were`))
    .map(keptBehind);
}

const keptBehind = (text: string) => `the generator could not keep up: ${text}`;

/** As the kernel has it for this process's network; nothing where it does not say. */
function portRange(): string {
  try {
    const [first, last] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1')
      .trim()
      .split(/\s+/);
    return ` (the range is ${first} to ${last})`;
  } catch {
    return '';
  }
}
