/** A head that runs anyway, with whatever deliveries it has: seen, and steered as far as its admin interface goes. */
import { thisMachine } from '../lab/loopback.ts';
import { kernelHere } from './kernel.ts';
import type { Stage } from './stage.ts';

/** `address`: where visitors find it, with what they ask for; nobody visits without. */
export function runningHead(admin: string, address: string | undefined): Stage {
  const { host, pathname, search } = new URL(address ?? 'http://127.0.0.1/');
  return {
    on: 'a running head',
    command: `baton live${address === undefined ? '' : ` --address ${address}`}`,
    admin,
    lab: undefined,
    kernel: kernelHere,
    converse: address === undefined ? undefined : thisMachine.converse,
    paths: [`${pathname}${search}`],
    head: host,
    cables: [],
    withoutCables: {
      reason: 'there are no cables between clients and a head that serves anyway',
      mend: 'baton lab live --on netns has some',
    },
    settings: undefined,
    stop: async () => {},
  };
}
