import { runToEnd } from '../service.ts';
import type { Connection } from './connection.ts';
import { project } from './machines.ts';

/** What Baton is made of, without what it depends on: that is copied by `vagrant rsync`. */
const sources = ['head', 'delivery', 'shared', 'infra', 'package.json'];

/** Gives the machine the sources that are checked out here, so that an experiment never measures older ones. */
export async function syncSources({ machine, ssh }: Connection): Promise<void> {
  await runToEnd([
    'rsync',
    ...['--archive', '--no-owner', '--no-group', '--delete'],
    '--rsh',
    ssh.map((word) => `'${word}'`).join(' '),
    ...sources.map((name) => `${project}${name}`),
    `${machine}:/opt/baton/`,
  ]);
}
