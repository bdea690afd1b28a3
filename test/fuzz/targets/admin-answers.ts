import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getMetrics, getStatus, setMode } from '../../../infra/admin-client.ts';
import { BatonError } from '../../../shared/errors.ts';
import { hasControls, hold, type Target } from '../target.ts';

const directory = mkdtempSync(join(tmpdir(), 'baton-fuzz-'));
const path = join(directory, 'admin.sock');
let answer: Uint8Array = new Uint8Array(0);
const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', () => socket.end(answer));
});
server.listen(path);
await once(server, 'listening');

const calls: readonly (() => Promise<unknown>)[] = [
  () => getStatus(path),
  () => getMetrics(path),
  () => setMode(path, 'redirect'),
];

/** What answers at a head's admin socket may be no head: a command says so in one line. */
export const adminAnswers: Target = {
  about: 'what an admin socket answers to a command',
  code: ['infra/admin-client.ts'],
  words: [
    'HTTP/1.1 200 OK\r\n',
    'HTTP/1.1 400 Bad Request\r\n',
    'Content-Length: 20\r\n',
    'Transfer-Encoding: chunked\r\n',
    '\r\n\r\n',
    '{"error":{"code":"',
    'UNKNOWN_MODE',
    '","message":"',
    '"}}',
    '\u001b[2J',
    '5\r\nhello\r\n',
    'null',
    '[]',
    '__proto__',
    'constructor',
  ],
  generate(dice) {
    const body = dice.pick([
      '{"mode":"handoff"}',
      '{"error":{"code":"UNKNOWN_MODE","message":"there is none"}}',
      '{"error":{"code":"constructor","message":"x\\ny"}}',
      '{"error":null}',
      'null',
      '',
      '{',
      '\u001b[2J',
    ]);
    return Buffer.from(
      `HTTP/1.1 ${dice.pick(['200 OK', '400 Bad Request', '503 x', '101 x', '100 x', '204 x'])}\r\nContent-Length: ${dice.mostly(body.length, body.length + 1, 0)}\r\n\r\n${body}`,
    );
  },
  async check(input) {
    answer = input;
    try {
      await calls[input.length % calls.length]!();
      return 'answered';
    } catch (error) {
      if (!(error instanceof BatonError)) throw error;
      hold(!hasControls(error.message), `control characters in ${JSON.stringify(error.message)}`);
      return error.code;
    }
  },
  close() {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  },
};
