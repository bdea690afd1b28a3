import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BatonError } from '../../shared/errors.ts';
import { assembleLab } from './assemble.ts';
import { startDialogue } from './dialogue.ts';
import type { Host, Lab, LabOptions } from './lab.ts';
import { baton, runToEnd, startService } from './service.ts';
import { wantedOf } from './wanted.ts';

/** This machine as it is. */
export const thisMachine: Host = {
  name: 'loopback',
  baton,
  run: (command, options) => runToEnd(command, options),
  start: startService,
  converse: startDialogue,
  async setLink() {
    throw new BatonError('LAB_FAILED', {
      problem: 'the loopback lab has no cables whose delay could be set; use --on netns',
    });
  },
};

/** Everything on this machine over 127.0.0.1, on ports that the kernel picks: no privileges, nothing to configure. */
export async function startLoopbackLab(options: LabOptions): Promise<Lab> {
  // mkdtemp makes the directory 0700: only this user may reach the sockets in it.
  const directory = await mkdtemp(join(tmpdir(), 'baton-lab-'));
  const socket = join(directory, 'head.sock');
  const wanted = [...wantedOf('d', options.deliveries), ...wantedOf('l', options.local ?? 0)];
  return assembleLab(
    {
      on: 'loopback',
      client: thisMachine,
      heads: [{ host: thisMachine, arguments: ['--listen', '127.0.0.1:0', '--socket', socket] }],
      deliveries: wanted.map(({ name, arguments: more = [] }) => ({
        name,
        transport: 'fd',
        host: thisMachine,
        arguments: ['--name', name, '--head', socket, '--direct', '127.0.0.1:0', ...more],
      })),
      directory,
      remove: () => rm(directory, { recursive: true, force: true }),
    },
    options,
  );
}
