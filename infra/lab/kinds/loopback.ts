import type { LabKind } from './kind.ts';

/** Everything on this machine over 127.0.0.1. */
export const loopback: LabKind = {
  name: 'loopback',
  hasHosts: false,
  start: async (options) => (await import('../loopback.ts')).startLoopbackLab(options),
};
