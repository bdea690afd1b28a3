/** A lab of the page's own, with cables that can be made slow where it has any. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { policyNames } from '../../head/choose/index.ts';
import { modesPaths } from '../experiments/modes.ts';
import type { LabKind } from '../lab/kinds/kind.ts';
import { namesOf } from '../lab/wanted.ts';
import { kernelHere, kernelOf } from './kernel.ts';
import type { Hindrance, Stage } from './stage.ts';

export interface LabStageOptions {
  readonly on: LabKind;
  readonly deliveries: number;
  readonly local: number;
  readonly rate: number;
  readonly plainCables: boolean;
}

export async function startLabStage(options: LabStageOptions): Promise<Stage> {
  const { on, deliveries, local, rate, plainCables } = options;
  const withoutCables = whyNoCables(on, plainCables);
  // A card that steers what comes in cannot make it slow as well, on a machine; between namespaces it can.
  const cables = withoutCables
    ? []
    : ['client', ...(on.name === 'netns' ? ['head'] : []), ...namesOf(deliveries)];
  const isElsewhere = on.name === 'vagrant';
  // Only a head on this machine finds a file of this machine.
  const directory = isElsewhere ? undefined : await mkdtemp(join(tmpdir(), 'baton-live-'));
  const settings = directory === undefined ? undefined : join(directory, 'head.json');
  try {
    if (settings !== undefined)
      await writeFile(settings, JSON.stringify({ policy: policyNames[0] }), { mode: 0o600 });
    const lab = await on.start({
      ...{ mode: 'handoff', deliveries, local },
      links: Object.fromEntries(cables.map((host) => [host, {}])),
      ...(settings === undefined ? {} : { headArguments: ['--config', settings] }),
    });
    const kernel = isElsewhere ? kernelOf(lab.head.host) : kernelHere;
    return {
      on: on.name,
      command: `baton lab live --on ${on.name} --rate ${rate} --deliveries ${deliveries} --local ${local}${plainCables ? ' --plain-cables' : ''}`,
      admin: lab.head.admin,
      lab,
      kernel,
      converse: (command, onLine) => lab.client.converse(command, onLine),
      paths: modesPaths,
      head: lab.head.listen,
      ...{ cables, withoutCables, settings },
      async stop() {
        await kernel.close();
        await lab.stop();
        if (directory !== undefined) await rm(directory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

function whyNoCables(on: LabKind, plain: boolean): Hindrance | undefined {
  if (!on.hasHosts)
    return { reason: 'a lab on loopback has no cables', mend: 'baton lab live --on netns (as root)' };
  return plain
    ? { reason: 'its cables were made plain', mend: 'start it without --plain-cables' }
    : undefined;
}
