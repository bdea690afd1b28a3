/** The host of one of two heads, as a whole: what keepalived does on it, and what may befall it. */
import type { HeadHost, LabHead } from '../lab.ts';
import { ip, run } from './command.ts';
import { type Keepalived, startKeepalived } from './keepalived.ts';
import type { NetnsHost, Network } from './network.ts';

export interface NetnsHeadHost extends HeadHost {
  /** Begins to take part; the first to come has the address. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export function headHostOf(network: Network, host: NetnsHost, admin: string): NetnsHeadHost {
  const { vip } = network.topology;
  let keepalived: Keepalived | undefined;
  const start = async () => {
    keepalived = await startKeepalived(host, network, admin);
  };
  return {
    start,
    stop: async () => await keepalived?.stop(),
    hasAddress: async () => (await ip(['addr show dev eth0'], host.namespace)).includes(` ${vip.v4}/`),
    setCable: (isIn) => host.setCable(isIn),
    freeze: async () => await keepalived?.freeze(),
    resume: async () => await keepalived?.resume(),
    async lose(head: LabHead) {
      await host.setCable(false);
      await Promise.all([keepalived?.kill(), head.end('kill')]);
    },
    async boot(head: LabHead) {
      // What a kernel that has just started does not have.
      for (const address of [`${vip.v4}/32`, `${vip.v6}/128`])
        await ip([`addr del ${address} dev eth0`], host.namespace).catch(() => {});
      await run(['tc', '-n', host.namespace, 'qdisc', 'del', 'dev', 'eth0', 'clsact']).catch(() => {});
      await host.setCable(true);
      await start();
      await head.restart('kill');
    },
  };
}
