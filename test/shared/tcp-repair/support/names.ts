/** The hosts of a segment: also for the processes in them. */
export const vip = { v4: '10.77.0.100', v6: 'fd77::100' } as const;
export type Family = keyof typeof vip;

/** A fourth host, without a kernel of its own: whoever opens the bridge's port sends and gets its packets as they are. */
export const rawHost = { v4: '10.77.0.4', v6: 'fd77::4', mac: '02:00:00:00:77:04' } as const;

export const hosts = { client: 1, head: 2, delivery: 3 } as const;
export type HostName = keyof typeof hosts;
export const mac = (n: number) => `02:00:00:00:77:0${n}`;
export const macOf = { head: mac(hosts.head), delivery: mac(hosts.delivery), nobody: mac(9) } as const;
