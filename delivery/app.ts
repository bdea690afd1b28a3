/** What `--app` names: a module that serves requests, and may know what becomes of connections that are upgraded. */
import type { IncomingMessage, RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BatonError } from '../shared/errors.ts';
import type { ReceiveOptions } from './receive-options.ts';

export interface App extends Pick<ReceiveOptions, 'onMove' | 'onMoved'> {
  readonly serve: RequestListener;
  /** A listener of the server's `upgrade`. */
  readonly upgrade?: ((request: IncomingMessage, socket: Socket, head: Buffer) => void) | undefined;
}

/** Of what a module exports besides: the names are the server's event and the receiver's options. */
const MORE = ['upgrade', 'onMove', 'onMoved'] as const;

/** Throws APP_UNUSABLE. */
export async function loadApp(file: string): Promise<App> {
  let module: Readonly<Record<string, unknown>>;
  try {
    module = (await import(pathToFileURL(resolve(file)).href)) as typeof module;
  } catch (error) {
    throw unusable(file, (error as Error).message.split('\n')[0]!, error);
  }
  if (typeof module.default !== 'function')
    throw unusable(file, 'its default export is not a function (request, response)');
  for (const name of MORE)
    if (module[name] !== undefined && typeof module[name] !== 'function')
      throw unusable(file, `its export ${name} is not a function`);
  return { ...(module as unknown as App), serve: module.default as RequestListener };
}

const unusable = (file: string, problem: string, cause?: unknown) =>
  new BatonError('APP_UNUSABLE', { file, problem }, cause);
