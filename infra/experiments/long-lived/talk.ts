/** One long connection of a client: a WebSocket to an echo, or server-sent events; to wherever a Location leads it. */
import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import { request } from '../../../shared/node-http.ts';
import { errnoName } from '../../../shared/sys/libc.ts';
import { failureOf } from '../../visits/failures.ts';
import { Line, type LinePlan } from '../../visits/line.ts';
import { endpointsOf, type Redirects, type Target } from '../../visits/target.ts';
import type { What } from './result.ts';

export interface TalkPlan extends LinePlan {
  readonly redirects: Redirects;
}

/** Moments are microseconds of now(); after `onEnd` nothing is called any more. */
export interface TalkListener {
  onOpen(): void;
  /** `id`: of an event; 0 of a WebSocket's message. */
  onMessage(at: number, id: number): void;
  /** `why`: in the words of visits. */
  onEnd(why: string): void;
}

const HOPS_MAX = 5;

export class Talk {
  readonly #plan: TalkPlan;
  readonly #what: What;
  readonly #listener: TalkListener;
  #line: Line | undefined;
  #socket: WebSocket | undefined;
  #hops = 0;
  #over = false;

  constructor(plan: TalkPlan, what: What, target: Target, listener: TalkListener) {
    this.#plan = plan;
    this.#what = what;
    this.#listener = listener;
    this.#connect(target);
  }

  #connect(target: Target): void {
    const line = new Line(this.#plan, target, ['http/1.1'], {
      onConnect: () => {},
      onReady: () => (this.#what === 'events' ? this.#askForEvents(target) : this.#upgrade(target)),
      onFailure: (name) => this.#end(line, name),
    });
    this.#line = line;
    endpointsOf(target).then(
      (endpoints) => {
        if (this.#line !== line) return;
        const result = line.connect(endpoints);
        if (result < 0) this.#end(line, failureOf(errnoName(result)));
      },
      () => this.#end(line, 'name_unknown'),
    );
  }

  #upgrade(target: Target): void {
    const line = this.#line!;
    const socket = new WebSocket(target.url, {
      createConnection: () => line.stream as never,
      perMessageDeflate: false,
    });
    this.#socket = socket;
    socket.on('open', () => this.#line === line && this.#listener.onOpen());
    socket.on('message', () => this.#line === line && this.#listener.onMessage(line.wire.arrived, 0));
    socket.on('unexpected-response', (_, response: IncomingMessage) =>
      this.#answered(line, target, response),
    );
    socket.on('error', () => this.#end(line, 'closed_early'));
    socket.on('close', () => this.#end(line, 'closed_early'));
  }

  #askForEvents(target: Target): void {
    const line = this.#line!;
    const { pathname, host } = new URL(target.url);
    const asked = request({
      createConnection: () => line.stream as never,
      path: pathname,
      headers: { host, accept: 'text/event-stream' },
    });
    asked.on('error', () => this.#end(line, 'closed_early'));
    asked.on('response', (response) => {
      if (response.statusCode !== 200) return this.#answered(line, target, response);
      this.#listener.onOpen();
      let text = '';
      response.setEncoding('latin1').on('data', (part: string) => {
        text += part;
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const id = Number(/^id: (\d+)$/m.exec(text.slice(0, end))?.[1]);
          text = text.slice(end + 2);
          if (this.#line === line) this.#listener.onMessage(line.wire.arrived, id);
        }
      });
      response.on('error', () => {});
      response.on('close', () => this.#end(line, 'closed_early'));
    });
    asked.end();
  }

  /** With something else than what was asked for: it may be elsewhere. A 201 is followed as a 307 is. */
  #answered(line: Line, from: Target, { statusCode = 0, headers }: IncomingMessage): void {
    if (this.#line !== line) return;
    const { location } = headers;
    const target = location === undefined ? undefined : this.#plan.redirects.follow(location, from);
    if (target === undefined || (statusCode !== 307 && statusCode !== 201) || ++this.#hops > HOPS_MAX)
      return this.#end(line, `status_${statusCode}`);
    this.#leave();
    this.#connect(target);
  }

  /** The server of a WebSocket sends it back. */
  send(text: string): void {
    this.#socket?.send(text, () => {});
  }

  #end(line: Line, why: string): void {
    if (this.#line !== line) return;
    this.#leave();
    this.#over = true;
    this.#listener.onEnd(why);
  }

  #leave(): void {
    const [line, socket] = [this.#line, this.#socket];
    this.#line = undefined;
    this.#socket = undefined;
    line?.close(() => socket?.terminate());
  }

  close(): void {
    if (!this.#over) this.#leave();
    this.#over = true;
  }
}
