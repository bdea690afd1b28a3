/**
 * What a head needs for deliveries of other hosts, half of its code, is loaded where its settings ask for it: at its start, while it
 * begins. Later the files may be another release's: an upgrade replaces them under a head that runs.
 */
import type { HeadSettings } from '../shared/config.ts';

export type Remote = typeof import('./migrate/index.ts');

export const loadRemote = async ({ control }: HeadSettings): Promise<Remote | undefined> =>
  control === undefined ? undefined : await import('./migrate/index.ts');
