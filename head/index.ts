/** A head in this process: starts it, steers it, stops it. */

import '../shared/need-node.ts';

import { headSchema, resolveSettings } from '../shared/config.ts';
import { createLogger, type Logger } from '../shared/log.ts';
import { traceTo } from '../shared/trace.ts';
import { adminOf } from './doors.ts';
import type { Head } from './head.ts';
import { Inherited, type OnSockets } from './inherited.ts';
import { HeadProcess } from './process.ts';
import { askToTakeOver, type TakeOver } from './take-over/successor.ts';

export type { Head } from './head.ts';
export { Inherited } from './inherited.ts';

export interface HeadOptions {
  /** A JSON file of settings; those given in the call win. */
  readonly configFile?: string | undefined;
  readonly log?: Logger;
  /** Sockets that it is given; those that are not among them it opens. They are its own from the call on. */
  readonly inherited?: Inherited;
  /** Take over from the head that runs at these paths. */
  readonly takeOver?: boolean | undefined;
  /** One that takes over is to stop: unless it is the head by then, it gives up, and the other goes on. */
  readonly stop?: AbortSignal;
  /** The program and its arguments that start a successor with `takeOver`; without it `upgrade` starts none. */
  readonly successor?: readonly string[];
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
    const resolved = read();
    if (resolved.trace !== undefined) traceTo(resolved.trace);
    const readAgain = configFile === undefined ? undefined : read;
    const from = options.takeOver ? await askToTakeOver(adminOf(resolved)) : inherited;
    if ('inherited' in from) giveUpOn(options.stop, from);
    const { successor } = options;
    return await new HeadProcess({ settings: resolved, log, from, successor, readAgain, onSockets }).start();
  } catch (error) {
    inherited.closeRest();
    throw error;
  }
}

function giveUpOn(stop: AbortSignal | undefined, takeOver: TakeOver): void {
  if (stop?.aborted) takeOver.giveUp();
  else stop?.addEventListener('abort', () => takeOver.giveUp(), { once: true });
}
