/** Tells of answers that have ended on connections of a receiver's, all of one turn of the event loop together. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { AdoptedSocket } from '../adopt.ts';
import type { Connections } from '../connections.ts';
import { Watch } from './watch.ts';

const FINISHED = 'http.server.response.finish';

/** `ended`: watched ones whose requests Node reads. `hasOthers`: there are some that nobody watches. */
type OnEnded = (ended: readonly Watch[], hasOthers: boolean) => void;

export class Answers {
  readonly #connections: Connections;
  readonly #onEnded: OnEnded;
  #ended: Watch[] = [];
  #hasOthers = false;
  #immediate: NodeJS.Immediate | undefined;

  constructor(connections: Connections, onEnded: OnEnded) {
    this.#connections = connections;
    this.#onEnded = onEnded;
  }

  start(): void {
    subscribe(FINISHED, this.#onFinished);
  }

  stop(): void {
    unsubscribe(FINISHED, this.#onFinished);
  }

  /** Nothing need be done for what is looked at. */
  readonly #onFinished: Parameters<typeof subscribe>[1] = (message) => {
    const { request, socket } = message as { request: IncomingMessage; socket: Socket };
    if (!(socket instanceof AdoptedSocket)) return;
    const { watcher } = socket;
    if (watcher instanceof Watch) {
      watcher.answered(request);
      if (watcher.isOurs) return;
    }
    if (!this.#connections.arrivalOf(socket)) return;
    if (watcher instanceof Watch) this.#ended.push(watcher);
    else this.#hasOthers = true;
    this.#immediate ??= setImmediate(this.#tell);
  };

  readonly #tell = (): void => {
    const [ended, hasOthers] = [this.#ended, this.#hasOthers];
    this.#immediate = undefined;
    this.#ended = [];
    this.#hasOthers = false;
    this.#onEnded(ended, hasOthers);
  };
}
