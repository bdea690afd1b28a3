/** What the kernel of the head's host counts, in the head's network namespace; of this machine, or of another one. */
import { readFileSync } from 'node:fs';
import type { Dialogue, Host } from '../lab/lab.ts';

/** Totals; those that the kernel does not show are absent. */
export type KernelCounts = Readonly<Record<string, number>>;

export interface Kernel {
  /** `pid`: the head's. */
  read(pid: number): KernelCounts;
  close(): Promise<void>;
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

export const kernelHere: Kernel = {
  read(pid) {
    try {
      const files = ['netstat', 'snmp'].map((file) => readFileSync(`/proc/${pid}/net/${file}`, 'latin1'));
      return countsOf(files.join('').split('\n'));
    } catch {
      // It has just ended.
      return {};
    }
  },
  close: async () => {},
};

/** Answers each line with both files and an empty line; ends when its input does. */
const ASKED = 'while read -r line; do cat /proc/net/netstat /proc/net/snmp; echo; done';

/** Reads without waiting: what the host said when it was asked the last time. */
export function kernelOf(host: Pick<Host, 'converse'>): Kernel {
  let counts: KernelCounts = {};
  let lines: string[] = [];
  let isAsked = false;
  const dialogue: Dialogue = host.converse(['sh', '-c', ASKED], (line) => {
    if (line !== '') {
      lines.push(line);
      return;
    }
    counts = countsOf(lines);
    lines = [];
    isAsked = false;
  });
  return {
    read() {
      if (!isAsked) dialogue.say('');
      isAsked = true;
      return counts;
    },
    close: () => dialogue.end(),
  };
}

/** Each line of names has a line of numbers after it, and both begin with the same title. */
function countsOf(lines: readonly string[]): KernelCounts {
  const values = new Map<string, number>();
  for (let index = 0; index + 1 < lines.length; index++) {
    const [[title, ...names], [same, ...numbers]] = [
      lines[index]!.split(/:? /),
      lines[index + 1]!.split(/:? /),
    ];
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
}
