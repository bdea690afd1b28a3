/** Names in the BPF file system, for people (`bpftool map dump pinned ...`) and for tc, which attaches a program by name. */
import { existsSync, mkdirSync, readlinkSync, rmdirSync, rmSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommand } from '../../shared/command.ts';
import { BatonError } from '../../shared/errors.ts';
import { pinObject } from '../../shared/sys/bpf.ts';

const bpffs = '/sys/fs/bpf';
/** BPF_FS_MAGIC, include/uapi/linux/magic.h. */
const BPF_FS_MAGIC = 0xcafe4a11;

export interface Pins {
  readonly flows: string;
  readonly unknown: string;
  readonly program: string;
}

/**
 * Where the pins of `name` are: /sys/fs/bpf/baton/NAME/. A dot is not allowed there (kernel/bpf/inode.c), and occurs in
 * the names of VLAN interfaces.
 */
export function pinsOf(name: string): Pins {
  const directory = join(bpffs, 'baton', name.replaceAll('.', '_'));
  const named = (what: keyof Pins) => join(directory, what);
  return { flows: named('flows'), unknown: named('unknown'), program: named('program') };
}

/** `eth0-4026531840`: interface and network namespace, because namespaces may share one BPF file system. */
export function defaultName(interfaceName: string): string {
  const namespace = readlinkSync('/proc/self/ns/net');
  return `${interfaceName}-${/\d+/.exec(namespace)![0]}`;
}

export const hasBpffs = (): boolean => existsSync(bpffs) && statfsSync(bpffs).type === BPF_FS_MAGIC;

/**
 * Mounts a BPF file system if there is none. `ip netns exec` gives its command a /sys of its own without one; what is
 * mounted there is seen by that process and its children only, and goes with them. The filter does not: it holds program
 * and map by itself.
 */
export async function ensureBpffs(): Promise<void> {
  const fail = (problem: string) => new BatonError('NO_BPFFS', { path: bpffs, problem });
  if (!existsSync(bpffs)) throw fail('there is no such directory');
  if (hasBpffs()) return;
  const { failed, stderr } = await runCommand('mount', ['-t', 'bpf', '-o', 'mode=0700', 'bpf', bpffs]);
  if (failed) throw fail(stderr.trim() || 'mount is not installed');
}

/** Names them, in the place of whatever had these names. */
export function pin(pins: Pins, fds: Readonly<Record<keyof Pins, number>>): void {
  unpin(pins);
  mkdirSync(dirname(pins.flows), { recursive: true, mode: 0o700 });
  for (const what of ['flows', 'unknown', 'program'] as const) pinObject(fds[what], pins[what]);
}

/** Removes the names, and the directories when they are empty. */
export function unpin(pins: Pins): void {
  for (const path of Object.values(pins)) rmSync(path, { force: true });
  for (let directory = dirname(pins.flows); directory !== bpffs; directory = dirname(directory)) {
    try {
      rmdirSync(directory);
    } catch {
      // Not there, or others' pins are in it.
      return;
    }
  }
}
