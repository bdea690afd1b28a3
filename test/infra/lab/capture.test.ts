import test from 'ava';
import { parseCapture } from '../../../infra/lab/capture.ts';

/** A capture file of TCP segments on "any" (LINUX_SLL2), as tcpdump writes it on a little-endian machine. */
function capture(link: number, packets: readonly { nanos: number; bytes: Buffer }[]): Buffer {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b23c4d, 0);
  head.writeUInt32LE(link, 20);
  const records = packets.map(({ nanos, bytes }) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(7, 0);
    record.writeUInt32LE(nanos, 4);
    record.writeUInt32LE(bytes.length, 8);
    record.writeUInt32LE(bytes.length, 12);
    return Buffer.concat([record, bytes]);
  });
  return Buffer.concat([head, ...records]);
}

function segment(from: number, to: number, flags: number, data: number, type = 0x0800): Buffer {
  const bytes = Buffer.alloc(20 + 20 + 32);
  bytes.writeUInt16BE(type, 0);
  bytes[20] = 0x45;
  bytes.writeUInt16BE(20 + 32 + data, 22);
  bytes[29] = 6;
  bytes.writeUInt16BE(from, 40);
  bytes.writeUInt16BE(to, 42);
  // 32 bytes of TCP header, with timestamps.
  bytes[52] = 8 << 4;
  bytes[53] = flags;
  return bytes;
}

const syn = { nanos: 2_000_500, bytes: segment(40_000, 80, 0x02, 0) };
const answer = { nanos: 1_000_000, bytes: segment(80, 40_000, 0x18, 1000) };

test('segments are read with their times, in order, whatever else is in the file', (t) => {
  const other = { nanos: 3_000_000, bytes: segment(1, 2, 0, 0, 0x86dd) };
  const found = parseCapture(capture(276, [syn, other, answer]));
  t.deepEqual(found, [
    {
      micros: 7e6 + 1000,
      sourcePort: 80,
      destinationPort: 40_000,
      syn: false,
      ack: true,
      length: 1000,
    },
    { micros: 7e6 + 2000.5, sourcePort: 40_000, destinationPort: 80, syn: true, ack: false, length: 0 },
  ]);
});

test('a packet that was cut off at the end of the file is left out', (t) => {
  const file = capture(276, [syn, answer]);
  t.is(parseCapture(file.subarray(0, file.length - 1)).length, 1);
});

test('what is no capture, or of a kind that is not known, is told', (t) => {
  t.throws(() => parseCapture(Buffer.from('')), { code: 'LAB_FAILED', message: /no capture/ });
  t.throws(() => parseCapture(capture(1, [])), { code: 'LAB_FAILED', message: /another kind/ });
});
