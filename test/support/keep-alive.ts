/** Keep-alive clients: one connection each, one question after the other, and every byte that comes is looked at. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { parseHostPort } from '../../shared/units.ts';
import { open } from './raw-client.ts';

export interface Answer {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
}

export interface Kept {
  readonly socket: Socket;
  /** Rejects when the connection ends before the answer has. */
  ask(path: string, body?: string): Promise<Answer>;
  /** Which delivery answers. */
  who(): Promise<string>;
  /** What has come that nobody has asked for; and how it has ended, if it has. */
  readonly unasked: string;
  readonly ended: string | undefined;
}

const begun = new Set<Socket>();

/** Ends those of this file that have not ended: of a test that has failed. */
export function endAllKept(): void {
  for (const socket of begun) socket.destroy();
}

/** From any port, or from that one. */
export async function keepAlive(address: string, localPort?: number): Promise<Kept> {
  const socket = await (localPort === undefined ? open(address) : openFrom(localPort, address));
  begun.add(socket);
  socket.once('close', () => begun.delete(socket));
  let text = Buffer.alloc(0);
  /** Joined when all that is waited for may be there. */
  let parts: Buffer[] = [];
  let size = 0;
  let needed = 0;
  let waiting: { take(): boolean; fail(error: Error): void } | undefined;
  let ended: string | undefined;
  const over = (how: string) => {
    ended ??= how;
    waiting?.fail(new Error(`the connection ended: ${how}`));
    waiting = undefined;
  };
  socket.on('data', (part: Buffer) => {
    parts.push(part);
    size += part.length;
    if (size >= needed && waiting?.take()) waiting = undefined;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => over(error.code ?? error.message));
  socket.on('end', () => over('FIN'));
  socket.on('close', () => over('closed'));

  function join(): Buffer {
    text = Buffer.concat([text, ...parts]);
    parts = [];
    size = text.length;
    return text;
  }
  function take(): Answer | undefined {
    join();
    needed = 0;
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const headers = text.subarray(0, end).toString('latin1');
    const length = Number(/content-length: (\d+)/i.exec(headers)?.[1] ?? 0);
    needed = end + 4 + length;
    if (text.length < needed) return undefined;
    needed = 0;
    const body = text.subarray(end + 4, end + 4 + length).toString('latin1');
    text = text.subarray(end + 4 + length);
    size = text.length;
    return { status: Number(headers.slice(9, 12)), headers, body };
  }
  const kept: Kept = {
    socket,
    ask(path, body) {
      return new Promise((resolve, reject) => {
        if (ended) return reject(new Error(`the connection has ended: ${ended}`));
        waiting = {
          take() {
            const answer = take();
            if (answer) resolve(answer);
            return answer !== undefined;
          },
          fail: reject,
        };
        const length = body === undefined ? '' : `Content-Length: ${body.length}\r\n`;
        socket.write(
          `${body === undefined ? 'GET' : 'POST'} ${path} HTTP/1.1\r\nHost: a\r\n${length}\r\n${body ?? ''}`,
        );
      });
    },
    async who() {
      return (JSON.parse((await kept.ask('/whoami')).body) as { delivery: string }).delivery;
    },
    get unasked() {
      return join().toString('latin1');
    },
    get ended() {
      return ended;
    },
  };
  return kept;
}

async function openFrom(localPort: number, address: string): Promise<Socket> {
  const { host, port } = parseHostPort(address)!;
  const socket = connect({ host, port, localPort, allowHalfOpen: true, noDelay: true });
  await once(socket, 'connect');
  return socket;
}

export const keepAliveMany = (address: string, count: number): Promise<Kept[]> =>
  Promise.all(Array.from({ length: count }, () => keepAlive(address)));
