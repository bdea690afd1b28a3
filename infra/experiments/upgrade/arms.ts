/** What is replaced while clients come and stay: Baton's head, by each way of handing over, and others. */
import { parseHostPort } from '../../../shared/units.ts';
import type { HeadUpgrade, Lab } from '../../lab/lab.ts';
import { haproxy, nginx, versionOn } from '../kit/rivals.ts';
import { isHandoff, waysOf } from '../kit/ways.ts';
import { type Replaced, startCluster, startHaproxy, startNginx } from './rivals.ts';

export interface Arm {
  readonly name: string;
  readonly description: string;
  /** Answers of its own go on until their clients end. */
  readonly isBaton: boolean;
  open(): Promise<Opened>;
}

interface Opened {
  readonly hosts: readonly string[];
  replace(turn: number): Promise<HeadUpgrade>;
  processes(): Promise<number>;
  close(): Promise<void>;
}

/** \`workers\`: of the successors, in turns. */
export const batonArms = (lab: Lab, workers: readonly number[]): Arm[] =>
  waysOf(lab)
    .filter(({ name }) => isHandoff(name))
    .map((way) => ({
      name: way.name,
      description: `${way.description}; baton head --take-over`,
      isBaton: true,
      async open() {
        await way.choose();
        const pids = new Set([lab.head.pid]);
        return {
          hosts: way.hosts,
          async replace(turn) {
            const figures = await lab.head.upgrade(['--workers', String(workers[turn % workers.length])]);
            pids.add(lab.head.pid);
            return figures;
          },
          async processes() {
            const ps = ['sh', '-c', 'ps -o pid= -p "$1" || true', 'sh', [...pids].join(',')];
            return (await lab.head.host.run(ps)).split('\n').filter((line) => line.trim() !== '').length;
          },
          close: async () => {},
        };
      },
    }));

interface Rival {
  readonly name: string;
  readonly description: string;
  readonly needs: typeof haproxy | undefined;
  start(place: Parameters<typeof startNginx>[0]): Promise<Replaced>;
}

const rivals: readonly Rival[] = [
  {
    name: 'HAProxy -sf',
    description: 'HAProxy as a proxy; each new process binds anew and tells the old one to finish',
    needs: haproxy,
    start: (place) => startHaproxy(place, false),
  },
  {
    name: 'HAProxy -x -sf',
    description: 'the same, and each new process gets the listeners of the old one',
    needs: haproxy,
    start: (place) => startHaproxy(place, true),
  },
  {
    name: 'nginx HUP',
    description: 'nginx as a proxy; new workers, the old ones finish',
    needs: nginx,
    start: (place) => startNginx(place, 'HUP'),
  },
  {
    name: 'nginx USR2',
    description: 'the same with a new master process, then QUIT to the old one',
    needs: nginx,
    start: (place) => startNginx(place, 'USR2'),
  },
  {
    name: 'node:cluster',
    description:
      'no proxy: two workers that are the application, replaced one after the other, killed after 1.6 s; the primary stays',
    needs: undefined,
    start: startCluster,
  },
];

/** Those that the head's host has; what is missing there is told. */
export async function rivalArms(lab: Lab): Promise<{ arms: Arm[]; missing: string[] }> {
  const { host } = lab.head;
  const at = parseHostPort(lab.head.listen)!.host;
  const direct = waysOf(lab).find(({ mode }) => mode === undefined)!;
  const arms: Arm[] = [];
  const missing: string[] = [];
  for (const { name, description, needs, start } of rivals) {
    if (needs && (await versionOn(host, needs.version)) === undefined) {
      missing.push(`${name}: not installed (sudo apt-get install ${needs.package.split(' ')[0]})`);
      continue;
    }
    arms.push({
      name,
      description,
      isBaton: false,
      async open() {
        const running = await start({ host, at, servers: direct.hosts });
        return {
          hosts: [running.address],
          async replace() {
            const began = performance.now();
            await running.replace();
            return { tookMs: performance.now() - began };
          },
          processes: running.processes,
          close: running.stop,
        };
      },
    });
  }
  return { arms, missing };
}
