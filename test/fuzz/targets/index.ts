/** Every target by its name: a new one is a file here and a line below. Imported late, so that V8 counts what runs in them. */
import type { Target } from '../target.ts';

export const targets: Readonly<Record<string, () => Promise<Target>>> = {
  'request-heads': async () => (await import('./request-heads.ts')).requestHeads,
  'as-node-reads': async () => (await import('./as-node-reads.ts')).asNodeReads,
  'next-requests': async () => (await import('./next-requests.ts')).nextRequests,
  'client-hellos': async () => (await import('./client-hellos.ts')).clientHellos,
  names: async () => (await import('./names.ts')).names,
  lane: async () => (await import('./lane.ts')).lane,
  'ways-back': async () => (await import('./ways-back.ts')).waysBack,
  control: async () => (await import('./control.ts')).control,
  frames: async () => (await import('./frames.ts')).frames,
  remote: async () => (await import('./remote.ts')).remote,
  'saved-connections': async () => (await import('./saved-connections.ts')).savedConnections,
  'flow-keys': async () => (await import('./flow-keys.ts')).flowKeys,
  'take-over': async () => (await import('./take-over.ts')).takeOver,
  settings: async () => (await import('./settings.ts')).settings,
  'settings-files': async () => (await import('./settings-files.ts')).settingsFiles,
  'lab-files': async () => (await import('./lab-files.ts')).labFiles,
  addresses: async () => (await import('./addresses.ts')).addresses,
  admin: async () => (await import('./admin.ts')).admin,
  'admin-answers': async () => (await import('./admin-answers.ts')).adminAnswers,
  reports: async () => (await import('./reports.ts')).reports,
  responses: async () => (await import('./responses.ts')).responses,
};
