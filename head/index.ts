/** A head in this process: starts it, steers it, stops it. */

import '../shared/need-node.ts';

import { headSchema, resolveSettings } from '../shared/config.ts';
import { createLogger, type Logger } from '../shared/log.ts';
import type { Head } from './head.ts';
import { Inherited } from './inherited.ts';
import { HeadProcess } from './process.ts';

export type { Head } from './head.ts';

export interface HeadOptions {
  /** A JSON file of settings; those given in the call win. */
  readonly configFile?: string | undefined;
  readonly log?: Logger;
  /** Sockets that it is given; those that are not among them it opens. They are its own from the call on. */
  readonly inherited?: Inherited;
}

/** Starts a head. Throws a BatonError when a setting is wrong or not available. */
export async function startHead(
  settings: Record<string, unknown> = {},
  options: HeadOptions = {},
): Promise<Head> {
  const { configFile, log = createLogger('head'), inherited = new Inherited([]) } = options;
  const read = () => resolveSettings(headSchema, settings, configFile);
  try {
    return await new HeadProcess(read(), log, inherited, configFile === undefined ? undefined : read).start();
  } catch (error) {
    inherited.closeRest();
    throw error;
  }
}
