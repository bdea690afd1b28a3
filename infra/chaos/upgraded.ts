/**
 * The application's side of connections that are upgraded (`Upgrade: chaos`): for each line `{id, wait}` it says `{id, pid, heard}`
 * after so many milliseconds, in which `heard` follows from all ids that have come on the connection, in their order (`chain`): what
 * an application did not hear, heard twice, or did not get from the one before it shows in the next answer. Those that do not stay
 * can be moved between two lines; who leaves says `{bye: true}`, and its client goes when it has its answers.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connectionInfo } from '../../delivery/connections.ts';

/** What is known of all that came on a connection before `id`, and of it. */
export const chain = (before: string, id: string): string =>
  createHash('sha1').update(`${before} ${id}`).digest('hex');

interface State {
  readonly heard: string;
}

interface Open {
  readonly stays: boolean;
  heard: string;
  /** The beginning of a line. */
  part: string;
  /** Lines that have come and are not answered. */
  due: number;
}

/** For what can move to do so before it is told to go, milliseconds. */
const MOVES_WITHIN_MS = 1000;
/** Of a line: a client's are shorter. */
const LINE_MAX = 1000;

export function createUpgraded(record: (id: string, socket: Socket) => void) {
  const all = new Map<Socket, Open>();

  function open(socket: Socket, stays: boolean, heard: string): Open {
    const one: Open = { stays, heard, part: '', due: 0 };
    all.set(socket, one);
    // Its client has gone, or somebody who was killed has.
    socket.on('error', () => {});
    socket.once('close', () => all.delete(socket));
    socket.on('data', (bytes: Buffer) => take(socket, one, bytes.toString('latin1')));
    socket.on('end', () => socket.end());
    return one;
  }

  function take(socket: Socket, one: Open, text: string): void {
    const lines = (one.part + text).split('\n');
    one.part = lines.pop()!;
    if (one.part.length > LINE_MAX) socket.destroy();
    for (const line of lines) {
      const { id, wait = 0 } = JSON.parse(line) as { id: string; wait?: number };
      void say(socket, one, id, wait);
    }
  }

  async function say(socket: Socket, one: Open, id: string, wait: number, first = ''): Promise<void> {
    one.due++;
    one.heard = chain(one.heard, id);
    record(id, socket);
    const line = `${first}${JSON.stringify({ id, pid: process.pid, heard: one.heard })}\n`;
    if (wait > 0) await delay(wait);
    socket.write(line, 'latin1', () => one.due--);
  }

  return {
    upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
      const url = new URL(request.url!, 'http://x');
      const one = open(socket, url.searchParams.has('stays'), '');
      const first = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chaos\r\n\r\n';
      void say(socket, one, url.pathname.slice(1), 0, first);
      if (head.length > 0) take(socket, one, head.toString('latin1'));
    },
    onMove(socket: Socket): State | 'not-now' | undefined {
      const one = all.get(socket);
      if (!one || one.stays) return undefined;
      return one.due > 0 || one.part !== '' ? 'not-now' : { heard: one.heard };
    },
    onMoved(socket: Socket): void {
      const { heard } = connectionInfo(socket)!.state as State;
      open(socket, false, heard);
    },
    async sayGoodbye(): Promise<void> {
      const tell = (some: (one: Open) => boolean) => {
        for (const [socket, one] of all) if (some(one)) socket.write('{"bye":true}\n');
      };
      tell(({ stays }) => stays);
      await delay(MOVES_WITHIN_MS);
      tell(({ stays }) => !stays);
    },
  };
}
