/**
 * A load generator like `c/load.c`, for whole TLS connections: CONCURRENT at a time for SECONDS, no more than CONNECTIONS when that
 * is there and not 0, each with a full handshake, the server's certificate verified, and one request. It reports what that one does.
 *
 * Servers get the same offer whatever they are made of: X25519 alone, because some of them have no more modern key exchange,
 * which would cost those that have it more. Nothing is resumed.
 *
 * Usage: node tls-load.ts CERTIFICATE HOST:PORT STATUS CONCURRENT SECONDS [CONNECTIONS]
 */
import { readFileSync } from 'node:fs';
import { connect, createSecureContext, type TLSSocket } from 'node:tls';
import { parseHostPort } from '../../shared/units.ts';
import { SERVER_NAME } from './hello.ts';

type Outcome = 'ok' | 'notConnected' | 'reset' | 'wrongStatus' | 'cutShort' | 'tooLate';

/** What is still open so long after the end is given up. */
const GRACE_MS = 5000;

const [certificate, address, status, ...numbers] = process.argv.slice(2);
if (numbers.length < 2 || numbers.length > 3) throw new Error('see the usage in this file');
const [concurrent, seconds, bound = 0] = numbers.map(Number) as [number, number, number?];
const { host, port } = parseHostPort(address!)!;
const secureContext = createSecureContext({ ca: readFileSync(certificate!), ecdhCurve: 'X25519' });
const request = `GET /?n=1 HTTP/1.1\r\nHost: ${SERVER_NAME}\r\nUser-Agent: baton-bench\r\nAccept: */*\r\nConnection: close\r\n\r\n`;

const counts: Record<Outcome, number> = {
  ok: 0,
  notConnected: 0,
  reset: 0,
  wrongStatus: 0,
  cutShort: 0,
  tooLate: 0,
};
const open = new Set<TLSSocket>();
let begun = 0;
let slowestMs = 0;

const usedBefore = process.cpuUsage();
const start = performance.now();
const stop = start + seconds * 1000;
for (let at = 0; at < concurrent; at++) begin();
const grace = setTimeout(
  () => {
    for (const socket of open) socket.destroy();
    counts.tooLate += open.size;
    report();
    process.exit(0);
  },
  seconds * 1000 + GRACE_MS,
);

function begin(): void {
  if (performance.now() >= stop || (bound > 0 && begun >= bound)) {
    if (open.size === 0) finish();
    return;
  }
  begun += 1;
  const began = performance.now();
  let isSecure = false;
  let answer = '';
  let error: Error | undefined;
  const socket = connect({ host, port, servername: SERVER_NAME, secureContext, session: undefined });
  open.add(socket);
  socket.setEncoding('latin1');
  socket.once('secureConnect', () => {
    isSecure = true;
    socket.write(request);
  });
  socket.on('data', (text: string) => {
    answer += text;
  });
  socket.on('error', (problem) => {
    error = problem;
  });
  socket.once('close', () => {
    if (!open.delete(socket)) return;
    counts[isSecure ? (error ? 'reset' : judge(answer)) : 'notConnected'] += 1;
    slowestMs = Math.max(slowestMs, performance.now() - began);
    // A client that cannot even begin is given up: when nothing listens, the run ends instead of spinning.
    if (isSecure) begin();
    else if (open.size === 0) finish();
  });
}

function finish(): void {
  clearTimeout(grace);
  report();
}

function judge(answer: string): Outcome {
  const end = answer.indexOf('\r\n\r\n');
  if (end < 0 || !answer.startsWith('HTTP/1.1 ')) return 'cutShort';
  if (answer.slice(9, 12) !== status) return 'wrongStatus';
  const length = /\r\ncontent-length: *(\d+)/i.exec(answer.slice(0, end))?.[1];
  return length !== undefined && Number(length) !== answer.length - end - 4 ? 'cutShort' : 'ok';
}

function report(): void {
  const { user, system } = process.cpuUsage(usedBefore);
  const { ok, ...failed } = counts;
  const passed = (performance.now() - start) / 1000;
  console.log(
    JSON.stringify({
      ok,
      answers: ok,
      failed,
      seconds: passed,
      slowestMs,
      userMicros: user,
      systemMicros: system,
    }),
  );
}
