/** Looks at a head once a second: what it says of itself, and what its host's kernel counts. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { HeadStatus } from '../../shared/status.ts';
import { getStatus } from '../admin-client.ts';

export interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly status: HeadStatus | undefined;
  /** Why there is none. */
  readonly silence: string | undefined;
  /** Totals of the head's network namespace; those that this kernel does not show are absent. */
  readonly kernel: Readonly<Record<string, number>>;
}

/** In /proc/net/netstat and /proc/net/snmp (net/ipv4/proc.c), and what the page calls them. */
const counters: readonly (readonly [line: string, name: string, title: string])[] = [
  ['TcpExt', 'ListenOverflows', 'accept queue full'],
  ['TcpExt', 'ListenDrops', 'SYNs dropped'],
  ['TcpExt', 'SyncookiesSent', 'SYN cookies sent'],
  ['TcpExt', 'TCPSynRetrans', 'SYNs sent again'],
  ['TcpExt', 'TCPTimeouts', 'retransmission timeouts'],
  ['Tcp', 'RetransSegs', 'segments sent again'],
  ['Tcp', 'OutRsts', 'resets sent'],
  ['Tcp', 'PassiveOpens', 'connections accepted'],
];

export class Sampler {
  readonly #admin: string;
  readonly #isHere: boolean;
  /** The question that is not answered yet. */
  #asking: Promise<HeadStatus> | undefined;
  #pid = 0;

  /** `isHere`: the head is a process of this machine. */
  constructor(admin: string, isHere: boolean) {
    this.#admin = admin;
    this.#isHere = isHere;
  }

  /** Takes no longer than `withinMs`: a head that is frozen answers later or never, and is asked once until it does. */
  async sample(withinMs: number): Promise<Sample> {
    this.#asking ??= this.#ask();
    const asking = this.#asking;
    const over = new AbortController();
    const late = delay(withinMs, 'it does not answer', { signal: over.signal }).catch(() => 'over');
    const answer = await Promise.race([asking, late]).catch((error: unknown) =>
      error instanceof Error ? error.message : String(error),
    );
    over.abort();
    const status = typeof answer === 'string' ? undefined : answer;
    if (status) this.#pid = status.pid;
    return {
      at: Date.now(),
      status,
      silence: typeof answer === 'string' ? answer : undefined,
      kernel: this.#isHere && this.#pid > 0 ? readKernel(this.#pid) : {},
    };
  }

  #ask(): Promise<HeadStatus> {
    const asking = getStatus(this.#admin).finally(() => {
      this.#asking = undefined;
    });
    // Whoever waits for it hears of it.
    asking.catch(() => {});
    return asking;
  }
}

/** Of the network namespace that a process is in. */
function readKernel(pid: number): Record<string, number> {
  try {
    const text = ['netstat', 'snmp']
      .map((file) => readFileSync(`/proc/${pid}/net/${file}`, 'latin1'))
      .join('');
    const values = new Map<string, number>();
    const lines = text.split('\n').map((line) => line.split(/:? /));
    for (let index = 0; index + 1 < lines.length; index++) {
      const [[title, ...names], [same, ...numbers]] = [lines[index]!, lines[index + 1]!];
      if (title === undefined || title !== same) continue;
      for (const [at, name] of names.entries()) values.set(`${title} ${name}`, Number(numbers[at]));
      index++;
    }
    return Object.fromEntries(
      counters.flatMap(([line, name, title]) => {
        const value = values.get(`${line} ${name}`);
        return value === undefined || Number.isNaN(value) ? [] : [[title, value]];
      }),
    );
  } catch {
    // It has just ended.
    return {};
  }
}
