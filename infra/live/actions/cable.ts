import { z } from 'zod';
import { action } from './action.ts';

const wants = z.object({
  host: z.string().max(40),
  rttMs: z.number().min(0).max(1000),
  lossPercent: z.number().min(0).max(100),
});

/** What the cable of a host does from now on, both ways. */
export const cable = action({
  name: 'cable',
  wants,
  targets: ({ stage: { cables, withoutCables } }) =>
    (withoutCables ? ['client'] : cables).map((host) => ({
      key: host,
      to: { host, rttMs: 0, lossPercent: 0 },
    })),
  hindrance({ stage: { cables, withoutCables } }, { host }) {
    if (withoutCables) return withoutCables;
    if (cables.includes(host)) return undefined;
    return { reason: `there is no cable of ${host}`, mend: `the cables are those of ${cables.join(', ')}` };
  },
  async act(director, { host, rttMs, lossPercent }) {
    await director.setCable(host, { rttMs, lossPercent });
    return `cable of ${host}: round trip ${rttMs} ms, loss ${lossPercent} %`;
  },
});
