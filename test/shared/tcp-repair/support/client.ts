/** The client: an ordinary program that knows nothing of heads and deliveries. Runs in a namespace of its own. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { serveCalls } from './agent.ts';
import { tcpCounters } from './counters.ts';
import { digestOf, pattern } from './pattern.ts';

interface Connection {
  readonly socket: Socket;
  readonly chunks: Buffer[];
  length: number;
  /** '' while it is open. */
  end: string;
}

const connections: Connection[] = [];

const methods = {
  /** Its number. */
  async open(host: string, port: number): Promise<number> {
    const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
    const connection: Connection = { socket, chunks: [], length: 0, end: '' };
    socket.on('data', (chunk: Buffer) => {
      connection.chunks.push(chunk);
      connection.length += chunk.length;
    });
    socket.on('end', () => {
      connection.end = 'end';
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      connection.end = String(error.code);
    });
    await once(socket, 'connect');
    return connections.push(connection) - 1;
  },
  localPort: (id: number): number => connections[id]!.socket.localPort!,
  /** Hands it to the kernel; it may not all have left. */
  send: (id: number, bytes: Uint8Array): void => void connections[id]!.socket.write(bytes),
  /** Resolves when the kernel has taken all of it. */
  async sendPattern(id: number, seed: number, length: number): Promise<void> {
    const { socket } = connections[id]!;
    await new Promise<void>((resolve, reject) =>
      socket.write(pattern(seed, length), (error) => (error ? reject(error) : resolve())),
    );
  },
  /** Sends a byte, to which `length` come back; how long that took, milliseconds. */
  async fetch(id: number, length: number): Promise<number> {
    const { socket } = connections[id]!;
    const wanted = connections[id]!.length + length;
    const began = performance.now();
    socket.write('?');
    await new Promise<void>((resolve) => {
      const onData = () => {
        if (connections[id]!.length < wanted) return;
        socket.off('data', onData);
        resolve();
      };
      socket.on('data', onData);
    });
    return performance.now() - began;
  },
  finish: (id: number): void => void connections[id]!.socket.end(),
  /** Stops or goes on reading. */
  read: (id: number, on: boolean): void =>
    void (on ? connections[id]!.socket.resume() : connections[id]!.socket.pause()),
  /** Waits until so many bytes have come in all, or the end; what has come. */
  async received(id: number, length: number): Promise<{ length: number; digest: string; end: string }> {
    const connection = connections[id]!;
    while (connection.length < length && connection.end === '') await delay(2);
    return { length: connection.length, digest: digestOf(...connection.chunks), end: connection.end };
  },
  /** Waits for the end, at most so long; what it was. */
  async ended(id: number, withinMs: number): Promise<string> {
    const deadline = performance.now() + withinMs;
    while (connections[id]!.end === '' && performance.now() < deadline) await delay(2);
    return connections[id]!.end;
  },
  close: (id: number): void => void connections[id]!.socket.destroy(),
  /** Segments that have come for this connection. */
  segmentsIn(id: number): number {
    const filter = ['sport', '=', `:${connections[id]!.socket.localPort!}`];
    return Number(/segs_in:(\d+)/.exec(execFileSync('ss', ['-tinH', ...filter], { encoding: 'utf8' }))![1]);
  },
  counters: tcpCounters,
};

export type ClientMethods = typeof methods;
serveCalls(methods);
