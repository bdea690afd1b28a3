import type { LabKind } from './kind.ts';

/** Every host a network namespace of this machine. */
export const netns: LabKind = {
  name: 'netns',
  hasHosts: true,
  start: async (options) => (await import('../netns.ts')).startNetnsLab(options),
  lackingBeside: () => (process.getuid!() === 0 ? undefined : 'it takes root: sudo npm start'),
  up: async (wanted) => (await import('../netns/stay.ts')).up(wanted),
  down: async () => (await import('../netns/stay.ts')).down(),
};
