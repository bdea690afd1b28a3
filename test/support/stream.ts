/** A connection of a test that stays: what it says comes back. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { parseHostPort } from '../../shared/units.ts';
import type { Scope } from './cluster.ts';
import { until } from './until.ts';

export interface Stream {
  /** Its own. */
  readonly port: number;
  /** What ended it; empty while it is open. */
  readonly error: string;
  /** Says something new, and waits until it has come back. Throws when the stream has ended or nothing comes. */
  echo(withinMs?: number): Promise<void>;
  close(): void;
  /** With a reset. */
  reset(): void;
}

/** To the lab application, through whoever has the address. */
export async function openStream(t: Scope, address: string, localPort?: number): Promise<Stream> {
  const { host, port } = parseHostPort(address)!;
  const socket = connect({ host, port, ...(localPort === undefined ? {} : { localPort }) });
  t.teardown(async () => void socket.destroy());
  let [text, error, count] = ['', '', 0];
  socket.setNoDelay(true).setEncoding('latin1');
  socket.on('data', (part: string) => {
    text += part;
  });
  socket.on('error', (cause: NodeJS.ErrnoException) => {
    error ||= cause.code ?? cause.message;
  });
  socket.on('close', () => {
    error ||= 'closed';
  });
  await once(socket, 'connect');
  socket.write(`POST /echo HTTP/1.1\r\nHost: ${address}\r\nTransfer-Encoding: chunked\r\n\r\n`);
  const stream: Stream = {
    port: socket.localPort!,
    get error() {
      return error;
    },
    async echo(withinMs = 10_000) {
      const word = `#${String(++count).padStart(8, '0')}`;
      socket.write(`9\r\n${word}\r\n`);
      await until(
        'an echo',
        () => {
          if (error !== '') throw new Error(`the stream has ended: ${error}`);
          return text.includes(word);
        },
        Boolean,
        withinMs,
      );
      text = '';
    },
    close: () => void socket.destroy(),
    reset: () => void socket.resetAndDestroy(),
  };
  await stream.echo();
  return stream;
}
