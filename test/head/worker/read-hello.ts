/** The reader of TLS hellos, as tests use it. */
import { ClientHello, HELLO_BYTES } from '../../../head/worker/inspect/client-hello.ts';
import type { Reading } from '../../support/hellos.ts';

export const reader = new ClientHello();
const words = ['incomplete', 'complete', 'malformed', 'too long'] as const;
/** What the reader makes of the first `length` bytes, whatever lies behind them. */
export function read(bytes: Buffer, length = bytes.length): Reading {
  const is = words[reader.read(bytes, length)]!;
  if (is !== 'complete') return { is };
  const { message, name } = reader;
  return {
    is,
    name: Buffer.from(message.subarray(name.start, name.end)).toString('latin1'),
    alpn: reader.alpn(),
    versions: reader.versions(),
  };
}

/** One verdict, that of all its bytes at once, however it is cut: told at the earliest when it is there, and never taken back. */
export function assertOneVerdict(
  t: { deepEqual(a: unknown, b: unknown, m?: string): void },
  flight: Buffer,
): void {
  const whole = read(flight);
  let decidedAt = 0;
  for (let length = 1; length <= flight.length; length++) {
    const now = read(flight, length);
    if (now.is === 'incomplete') {
      // Until as many bytes are there as it asked for nothing changes.
      const { needed } = reader;
      if (needed <= length || needed > HELLO_BYTES) throw new Error(`needs ${needed} with ${length} there`);
      if (decidedAt > 0) throw new Error(`took its verdict back at ${length}`);
    } else {
      decidedAt ||= length;
      t.deepEqual(now, whole, `the first ${length} bytes`);
    }
  }
  if (decidedAt === 0) t.deepEqual(whole, { is: 'incomplete' });
}
