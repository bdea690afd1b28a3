import type { Lab, LabKind, LabOptions } from './lab.ts';
import { startLoopbackLab } from './loopback.ts';
import { startNetnsLab } from './netns.ts';
import { startVagrantLab } from './vagrant.ts';

/** One line a kind of lab. */
const starters: Readonly<Record<LabKind, (options: LabOptions) => Promise<Lab>>> = {
  loopback: startLoopbackLab,
  netns: startNetnsLab,
  vagrant: startVagrantLab,
};

/** Starts a lab and waits until its head has welcomed every delivery. The caller stops it. */
export function startLab(kind: LabKind, options: LabOptions): Promise<Lab> {
  return starters[kind](options);
}
