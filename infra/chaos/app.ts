/**
 * What deliveries serve under chaos (`--app`): writes down which request it serves, in CHAOS_FOLDER, before it answers, and
 * says in the answer who it is and what it has heard.
 *
 *     /ID?wait=MS&bytes=N      a JSON line, then N bytes, after MS milliseconds
 *     /ID?stays=1              with `Upgrade: chaos`: a line for each line, as in upgraded.ts
 */
import { createHash } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isLocal, now, type Served } from './records.ts';
import { createUpgraded } from './upgraded.ts';

const log = openSync(join(process.env.CHAOS_FOLDER!, `${process.pid}.served`), 'a', 0o600);
const name = process.argv[process.argv.indexOf('--name') + 1]!;
const ASK_AFTER_MS = 1000;
const numbers = new WeakMap<Socket, number>();
let connections = 0;

function record(id: string, socket: Socket): void {
  const connection = numbers.get(socket) ?? ++connections;
  if (!numbers.has(socket)) noticeGone(socket);
  numbers.set(socket, connection);
  const served: Served = { id, pid: process.pid, name, connection, at: now() };
  writeSync(log, `${JSON.stringify(served)}\n`);
}

/**
 * Clients of the first head's own host are lost when the address moves (failover.md), and nobody tells: a server that waits for
 * what they send hears of it by asking, as any does whose client's machine has vanished.
 */
function noticeGone(socket: Socket): void {
  if (isLocal(name)) socket.setKeepAlive(true, ASK_AFTER_MS);
}

export default function serve(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url!, 'http://x');
  const id = url.pathname.slice(1);
  record(id, request.socket);
  answer(url, id, request, response).catch(() => response.destroy());
}

export const { upgrade, onMove, onMoved, sayGoodbye } = createUpgraded(record);
process.on('SIGTERM', sayGoodbye);

async function answer(
  url: URL,
  id: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const hash = createHash('sha1');
  for await (const part of request) hash.update(part as Buffer);
  await delay(Number(url.searchParams.get('wait') ?? 0));
  const line = `${JSON.stringify({ id, pid: process.pid, heard: hash.digest('hex') })}\n`;
  const body = Buffer.concat([
    Buffer.from(line),
    Buffer.alloc(Number(url.searchParams.get('bytes') ?? 0), 'x'),
  ]);
  response.writeHead(200, { 'content-length': body.length }).end(body);
}
