/** Every mode's handler under its name. A new mode is a file here, a line below, and its name in shared/status.ts. */
export { created } from './created.ts';
export { handoff } from './handoff.ts';
export { redirect } from './redirect.ts';
