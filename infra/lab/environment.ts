import { readFile } from 'node:fs/promises';
import { arch, cpus, loadavg, release, totalmem } from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Environment, environmentSchema } from '../report/schema.ts';
import type { Host } from './lab.ts';

/** What decides how fast connections are made and how long queues get; see ip-sysctl in the kernel's documentation. */
const sysctls = [
  'net.core.somaxconn',
  'net.core.netdev_max_backlog',
  'net.core.default_qdisc',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_fastopen',
  'net.ipv4.tcp_max_syn_backlog',
  'net.ipv4.tcp_migrate_req',
  'net.ipv4.tcp_slow_start_after_idle',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_tw_reuse',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
];

/** What a machine is; `lab` and `baton` are of the experiment. */
export type MachineEnvironment = Omit<Environment, 'lab' | 'baton'>;

export async function readEnvironment(): Promise<MachineEnvironment> {
  const processors = cpus();
  const values = await Promise.all(sysctls.map(async (name) => [name, await readSysctl(name)] as const));
  const { node, v8, uv, openssl } = process.versions;
  return {
    machine: processors[0]?.model.trim() || 'unknown',
    cores: processors.length,
    memoryBytes: totalmem(),
    architecture: arch(),
    kernel: release(),
    node,
    versions: { v8, uv, ...(openssl === undefined ? {} : { openssl }) },
    congestionControl: (await readSysctl('net.ipv4.tcp_congestion_control')) ?? 'unknown',
    sysctls: Object.fromEntries(values.filter((entry): entry is [string, string] => entry[1] !== undefined)),
    loadAverage: loadavg()[0]!,
  };
}

const program = fileURLToPath(new URL(`./environment-main${extname(import.meta.url)}`, import.meta.url));

/** The environment of a host of a lab, which may be another machine, and has sysctls of its own in any case. */
export async function readEnvironmentOf(host: Host): Promise<MachineEnvironment> {
  return environmentSchema
    .omit({ lab: true, baton: true })
    .parse(JSON.parse(await host.run([process.execPath, program])));
}

async function readSysctl(name: string): Promise<string | undefined> {
  try {
    const text = await readFile(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8');
    return text.trim().replaceAll(/\s+/g, ' ');
  } catch {
    return undefined;
  }
}
