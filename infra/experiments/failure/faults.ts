/** What befalls a delivery or the head. */
import { setTimeout as delay } from 'node:timers/promises';
import { BatonError } from '../../../shared/errors.ts';
import type { LabHead } from '../../lab/lab.ts';
import type { Way } from '../kit/ways.ts';
import type { Fault } from './time.ts';

const victim = ({ deliveries }: Way) => deliveries[0]!;

const AGAIN_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 10;

/** Its process ends, and whoever keeps it starts another. Settles when that answers. */
async function killKept(head: LabHead): Promise<void> {
  const { pid } = await head.status();
  await head.host.run(['kill', '-KILL', String(pid)]);
  const until = performance.now() + AGAIN_WITHIN_MS;
  while (performance.now() < until) {
    const now = await head.status().catch(() => undefined);
    if (now !== undefined && now.pid !== pid) return;
    await delay(LOOK_EVERY_MS);
  }
  throw new BatonError('LAB_FAILED', { problem: 'the keeper has not started the head again' });
}

export const faults: readonly Fault[] = [
  {
    name: 'delivery killed',
    marks: ['killed', 'started again'],
    ofHead: false,
    lasts: true,
    begin: (_, way) => victim(way).kill(),
    end: (_, way) => victim(way).restart(),
  },
  {
    name: 'delivery frozen',
    marks: ['frozen', 'goes on'],
    ofHead: false,
    lasts: true,
    begin: (_, way) => victim(way).freeze(),
    end: (_, way) => victim(way).resume(),
  },
  {
    name: 'head restarted',
    marks: ['restart', ''],
    ofHead: true,
    lasts: false,
    begin: (lab) => lab.head.restart('stop'),
    end: async () => {},
  },
  {
    name: 'head killed',
    marks: ['killed, started again', ''],
    ofHead: true,
    lasts: false,
    begin: (lab) => lab.head.restart('kill'),
    end: async () => {},
  },
  {
    name: 'head killed, kept',
    marks: ['killed', ''],
    ofHead: true,
    lasts: false,
    kept: true,
    begin: (lab) => killKept(lab.head),
    end: async () => {},
  },
  {
    name: 'head frozen',
    marks: ['frozen', 'goes on'],
    ofHead: true,
    lasts: true,
    begin: (lab) => lab.head.freeze(),
    end: (lab) => lab.head.resume(),
  },
  {
    name: 'head upgraded',
    marks: ['upgrade', ''],
    ofHead: true,
    lasts: false,
    begin: async (lab) => void (await lab.head.upgrade()),
    end: async () => {},
  },
];
