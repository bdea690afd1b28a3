/** A lab of two delivery hosts and a delivery at the head, whose workers have lanes of their own to the first two; heads come and go. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getStatus, upgradeHead } from '../../infra/admin-client.ts';
import { parseHostPort } from '../../shared/units.ts';
import { type LabForTests, startTestLab } from './netns-lab.ts';
import { until } from './until.ts';

export const WORKERS = 2;

export interface WorkerLanesLab {
  readonly lab: LabForTests;
  /** The head's admin socket, and its successors'. */
  readonly admin: string;
  /** Nobody but these is given anything. */
  only(...names: string[]): Promise<void>;
  /** Each of the two deliveries of other hosts has one link, and a lane for each worker; and no other head has any. */
  untilLanes(): Promise<number>;
  /** By a successor that all deliveries have come to. */
  upgrade(): Promise<void>;
  /** The last successor: the lab does not know it. */
  endSuccessor(): void;
}

export async function startWorkerLanesLab(): Promise<WorkerLanesLab> {
  const lab = await startTestLab({ local: 1, headArguments: ['--workers', `${WORKERS}`] });
  const admin = join(lab.network.directory, 'head.admin.sock');
  let successor: number | undefined;
  /** Connections of the head's host that are established at its `--control`: links, and lanes. */
  const atControl = (): number => {
    const port = parseHostPort(lab.control)!.port.toString(16).toUpperCase().padStart(4, '0');
    const lines = readFileSync(`/proc/${successor ?? lab.head.pid}/net/tcp`, 'latin1').split('\n');
    return lines.filter((line) => line.match(/^ *\d+: \w+:(\w+) \w+:\w+ 01 /)?.[1] === port).length;
  };
  return {
    lab,
    admin,
    async only(...names) {
      for (const { name } of (await lab.head.status()).deliveries)
        await lab.head.drain(name, !names.includes(name));
    },
    untilLanes: () =>
      until('a link and its lanes of each', atControl, (count) => count === 2 * (1 + WORKERS)),
    async upgrade() {
      ({ pid: successor } = await upgradeHead(admin));
      await until(
        'all are back',
        () => getStatus(admin).catch(() => undefined),
        (status) =>
          status?.pid === successor &&
          status?.deliveries.filter(({ state }) => state === 'up' || state === 'draining').length === 3,
      );
    },
    endSuccessor() {
      if (successor !== undefined) process.kill(successor, 'SIGKILL');
    },
  };
}
