/** A head in this process: starts it, steers it, stops it. */
import { headSchema, resolveSettings } from '../shared/config.ts';
import { createLogger, type Logger } from '../shared/log.ts';
import type { HeadStatus, Mode } from '../shared/status.ts';
import { HeadProcess } from './process.ts';

export interface Head {
  /** HOST:PORT, with the port that the kernel picked. */
  readonly listen: string;
  readonly socket: string;
  readonly admin: string;
  /** HOST:PORT for deliveries of other hosts; null when there are none. */
  readonly control: string | null;
  status(): HeadStatus;
  setMode(mode: Mode): void;
  drain(name: string, on: boolean): void;
  /** Stops accepting, passes on what is queued, closes. Resolves within the stop timeout and about a second. */
  stop(): Promise<void>;
  /** Resolves when it has stopped; rejects when a worker has failed. */
  readonly ended: Promise<void>;
}

export interface HeadOptions {
  /** A JSON file of settings; those given in the call win. */
  readonly configFile?: string | undefined;
  readonly log?: Logger;
}

/** Starts a head. Throws a BatonError when a setting is wrong or cannot be had. */
export async function startHead(
  settings: Record<string, unknown> = {},
  options: HeadOptions = {},
): Promise<Head> {
  const resolved = resolveSettings(headSchema, settings, options.configFile);
  return await new HeadProcess(resolved, options.log ?? createLogger('head')).start();
}
