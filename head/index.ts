/** A head in this process: starts it, steers it, stops it. */

import '../shared/need-node.ts';

import { headSchema, resolveSettings } from '../shared/config.ts';
import { createLogger, type Logger } from '../shared/log.ts';
import type { Head } from './head.ts';
import { Inherited } from './inherited.ts';
import { HeadProcess, type OnSockets } from './process.ts';

export type { Head } from './head.ts';
export { Inherited } from './inherited.ts';

export interface HeadOptions {
  /** A JSON file of settings; those given in the call win. */
  readonly configFile?: string | undefined;
  readonly log?: Logger;
  /** Sockets that it is given; those that are not among them it opens. They are its own from the call on. */
  readonly inherited?: Inherited;
  readonly onSockets?: OnSockets;
}

/** Starts a head. Throws a BatonError when a setting is wrong or not available. */
export async function startHead(
  settings: Record<string, unknown> = {},
  options: HeadOptions = {},
): Promise<Head> {
  const { configFile, log = createLogger('head'), inherited = new Inherited([]), onSockets } = options;
  const read = () => resolveSettings(headSchema, settings, configFile);
  try {
    const readAgain = configFile === undefined ? undefined : read;
    return await new HeadProcess({ settings: read(), log, inherited, readAgain, onSockets }).start();
  } catch (error) {
    inherited.closeRest();
    throw error;
  }
}
