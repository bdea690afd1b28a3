import { fileURLToPath } from 'node:url';

/** The applications of the bench: one answers at once, the other leaves its answers and their connections open. */
const files = {
  app: new URL('../servers/app.ts', import.meta.url),
  'open-app': new URL('../servers/open-app.ts', import.meta.url),
};
export type App = keyof typeof files;

export const appFile = (app: App): string => fileURLToPath(files[app]);
