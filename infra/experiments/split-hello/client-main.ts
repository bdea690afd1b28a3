/** Sends every hello in every shape to one server, as a process of its own on a lab's client host, and tells who answered what. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { parseHostPort } from '../../../shared/units.ts';
import { median } from '../../statistics/median.ts';
import { hellos } from './hellos.ts';
import { NAMED, type Outcomes, ordersSchema } from './result.ts';
import { type Sent, type Shape, shapes } from './shapes.ts';

/** At once: more would keep a server busy, which is not what is asked. */
const AT_ONCE = 16;

const { address, step, withinMs } = ordersSchema.parse(JSON.parse(process.argv[2]!));
const { host, port } = parseHostPort(address)!;

/** RFC 8446 section 6. */
const alerts: Readonly<Record<number, string>> = {
  10: 'unexpected_message',
  40: 'handshake_failure',
  47: 'illegal_parameter',
  50: 'decode_error',
  70: 'protocol_version',
  80: 'internal_error',
  112: 'unrecognized_name',
};

interface Became {
  readonly outcome: string;
  /** From the last byte sent until it was served, milliseconds. */
  readonly tookMs?: number;
}

async function send(sent: Sent, isRight: boolean): Promise<Became> {
  const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
  const answer = listen(socket);
  try {
    await once(socket, 'connect');
  } catch {
    return { outcome: 'not connected' };
  }
  for (const [index, piece] of sent.pieces.entries()) {
    if (index > 0) await (sent.pauseMs === 0 ? nextTurn() : delay(sent.pauseMs));
    // Whoever has closed meanwhile has answered.
    if (!socket.destroyed && socket.writable) socket.write(piece);
  }
  if (sent.ends) socket.end();
  const last = performance.now();
  const text = await answer.until(isRight ? 2 : 1, withinMs);
  socket.destroy();
  const outcome = outcomeOf(text, sent, isRight, answer);
  return text[0] !== undefined && isServed(outcome) ? { outcome, tookMs: answer.at - last } : { outcome };
}

const isServed = (outcome: string) => outcome === 'by name' || outcome === 'default';

interface Answer {
  bytes: Buffer;
  ended: 'closed' | 'reset' | undefined;
  /** When something came last. */
  at: number;
  /** So many lines at most, or until the end, or until it is too late. */
  until(lines: number, withinMs: number): Promise<string[]>;
}

function listen(socket: Socket): Answer {
  let tell = () => {};
  const answer: Answer = {
    bytes: Buffer.alloc(0),
    ended: undefined,
    at: 0,
    until(lines, within) {
      return new Promise((resolve) => {
        const linesSoFar = () => answer.bytes.toString('latin1').split('\n').slice(0, -1);
        const over = () => {
          clearTimeout(timer);
          resolve(linesSoFar());
        };
        const timer = setTimeout(over, within);
        tell = () => {
          if (answer.ended !== undefined || linesSoFar().length >= lines) over();
        };
        tell();
      });
    },
  };
  socket.on('data', (chunk) => {
    answer.at = performance.now();
    answer.bytes = Buffer.concat([answer.bytes, chunk]);
    tell();
  });
  socket.on('end', () => {
    answer.ended ??= 'closed';
    tell();
  });
  socket.on('error', () => {
    answer.ended ??= 'reset';
    tell();
  });
  return answer;
}

function outcomeOf(
  [name, got]: string[],
  { pieces }: Sent,
  isRight: boolean,
  { bytes, ended }: Answer,
): string {
  const level = bytes[0] === 21 && bytes.length >= 7 ? bytes[6] : undefined;
  if (level !== undefined) return `alert ${alerts[level] ?? level}`;
  if (name !== undefined) {
    const all = Buffer.concat(pieces);
    const expected = `${all.length} ${createHash('sha256').update(all).digest('hex')}`;
    const whom = name === NAMED ? 'by name' : 'default';
    return !isRight || got === expected ? whom : `${whom}, and not all of it came`;
  }
  return ended ?? 'no answer';
}

async function tryShape(shape: Shape, client: string, flight: Buffer): Promise<Outcomes> {
  const left = shape.sent(flight, step);
  const became: Became[] = [];
  const worker = async () => {
    for (let sent = left.shift(); sent; sent = left.shift())
      became.push(await send(sent, shape.right !== undefined));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const outcomes: Record<string, number> = {};
  for (const { outcome } of became) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  const times = became.flatMap(({ tookMs }) => (tookMs === undefined ? [] : [tookMs]));
  return { shape: shape.name, client, outcomes, medianMs: times.length === 0 ? null : median(times) };
}

const all: Outcomes[] = [];
for (const shape of shapes) {
  // What is slow is so for all clients: side by side.
  const found = hellos.map(({ client, bytes }) => tryShape(shape, client, bytes));
  all.push(...(await Promise.all(found)));
}
process.stdout.write(`${JSON.stringify(all)}\n`);
