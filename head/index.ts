/** A head in this process: starts it, steers it, stops it. */

import '../shared/need-node.ts';

import { headSchema, resolveSettings } from '../shared/config.ts';
import { createLogger, type Logger } from '../shared/log.ts';
import { traceTo } from '../shared/trace.ts';
import type { Head } from './head.ts';
import { Inherited } from './inherited.ts';
import { adminOf, HeadProcess } from './process.ts';
import { askToTakeOver } from './take-over/successor.ts';

export type { Head } from './head.ts';

export interface HeadOptions {
  /** A JSON file of settings; those given in the call win. */
  readonly configFile?: string | undefined;
  readonly log?: Logger;
  /** Sockets that it is given; those that are not among them it opens. They are its own from the call on. */
  readonly inherited?: Inherited;
  /** Take over from the head that runs at these paths. */
  readonly takeOver?: boolean | undefined;
  /** The program and its arguments that start a successor with `takeOver`; without it `upgrade` starts none. */
  readonly successor?: readonly string[];
}

/** Starts a head. Throws a BatonError when a setting is wrong or not available. */
export async function startHead(
  settings: Record<string, unknown> = {},
  options: HeadOptions = {},
): Promise<Head> {
  const inherited = options.inherited ?? new Inherited([]);
  try {
    const resolved = resolveSettings(headSchema, settings, options.configFile);
    if (resolved.trace !== undefined) traceTo(resolved.trace);
    const log = options.log ?? createLogger('head');
    const from = options.takeOver ? await askToTakeOver(adminOf(resolved)) : inherited;
    return await new HeadProcess(resolved, log, from, options.successor).start();
  } catch (error) {
    inherited.closeRest();
    throw error;
  }
}
