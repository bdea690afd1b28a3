/** keepalived on hosts that share an address: Debian's, with the configuration that ships for real hosts. */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BatonError } from '../../../shared/errors.ts';
import { keepalivedConfig, WATCH_FOR } from '../../keepalived/config.ts';
import { killed } from '../../processes/launch.ts';
import { missingTool } from '../../processes/tool.ts';
import type { HeadHost, Service } from '../lab.ts';
import { baton, startService } from '../service.ts';
import type { NetnsHost, Network } from './network.ts';

/** Three of them are how long nobody has the address when a host has gone. */
const ADVERT_SECONDS = 0.1;
/** For one of them to have the address, milliseconds. */
const SETTLED_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 20;

export type Keepalived = Omit<Service, 'ready' | 'pid'>;

/** Starts it on a host whose head is asked at `admin`. It stays a standby when another has the address. */
export async function startKeepalived(
  host: NetnsHost,
  { directory, topology: { vip } }: Network,
  admin: string,
  advertSeconds = ADVERT_SECONDS,
): Promise<Keepalived> {
  const folder = writeConfig(host, directory, vip, admin, advertSeconds);
  const file = (name: string) => join(folder, name);
  const needed = await host.run(['sh', '-c', 'command -v keepalived >/dev/null || echo missing']);
  if (needed !== '') throw missingTool('keepalived', 'keepalived');
  // It ends without a word when a process has the number of one that was killed.
  for (const name of ['pid', 'vrrp.pid']) rmSync(file(name), { force: true });
  // The shell becomes keepalived, so that signals reach it; what it says when it is ready becomes the line of a service.
  const script = `exec keepalived --dont-fork --vrrp --log-console --no-syslog --dont-respawn -f "$1" -p "$2" -r "$3" \\
    > >(sed -u -n 's/.*Startup complete.*/{"ready":"keepalived"}/p') 2>&1`;
  const service = await startService([
    'ip',
    'netns',
    'exec',
    host.namespace,
    'bash',
    '-c',
    script,
    'bash',
    file('conf'),
    file('pid'),
    file('vrrp.pid'),
  ]);
  /** Its two processes. */
  const signal = async (name: string) => {
    const all = `kill -${name} $(cat "$1" "$2") 2>/dev/null || true`;
    await host.run(['sh', '-c', all, 'sh', file('pid'), file('vrrp.pid')]);
  };
  return {
    stop: service.stop,
    async kill() {
      killed.atOnce.add(service.pid);
      await signal('KILL');
      await service.kill();
    },
    freeze: () => signal('STOP'),
    resume: () => signal('CONT'),
  };
}

/** The same for a lab that stays when this process ends: it is a daemon, and ends with the lab's namespaces. */
export async function startKeepalivedDaemon(
  host: NetnsHost,
  { directory, topology: { vip } }: Network,
  admin: string,
): Promise<void> {
  const folder = writeConfig(host, directory, vip, admin, 1);
  const file = (name: string) => join(folder, name);
  await host.run(['keepalived', '--vrrp', '-f', file('conf'), '-p', file('pid'), '-r', file('vrrp.pid')]);
}

function writeConfig(
  host: NetnsHost,
  directory: string,
  vip: Network['topology']['vip'],
  admin: string,
  advertSeconds: number,
): string {
  const folder = join(directory, `keepalived-${host.name}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // A program of its own: what keepalived runs as root must be root's alone, on the whole way to it.
  const check = join(folder, 'check');
  const command = [...baton, 'status', '--ready', '--for', WATCH_FOR, '--admin-socket', admin].map(
    (word) => `'${word}'`,
  );
  writeFileSync(check, `#!/bin/sh\nexec ${command.join(' ')}\n`);
  chmodSync(check, 0o700);
  const steering = join(folder, 'steering');
  writeFileSync(steering, '#!/bin/sh\ntc filter show dev eth0 ingress | grep -q baton_steer\n');
  chmodSync(steering, 0o700);
  const text = keepalivedConfig({
    name: host.name,
    interface: 'eth0',
    vip: `${vip.v4}/32`,
    more: [`${vip.v6}/128`],
    check,
    steering,
    advertSeconds,
  });
  writeFileSync(join(folder, 'conf'), text);
  return folder;
}

/** For who comes first to have the address. Throws LAB_FAILED. */
export async function untilOneHasIt(all: readonly HeadHost[]): Promise<number> {
  const until = performance.now() + SETTLED_WITHIN_MS;
  while (performance.now() < until) {
    const has: readonly boolean[] = await Promise.all(all.map((one) => one.hasAddress()));
    if (has.filter(Boolean).length === 1) return has.indexOf(true);
    await delay(LOOK_EVERY_MS);
  }
  throw new BatonError('LAB_FAILED', { problem: 'keepalived gave the shared address to nobody, or to both' });
}
