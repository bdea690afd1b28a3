/** What passed a host's network cards, by tcpdump: when each segment of each TCP connection was sent or arrived. */
import { BatonError } from '../../shared/errors.ts';
import { missingTool } from '../processes/tool.ts';
import type { Host } from './lab.ts';

export interface Segment {
  /** Nanosecond clock of the kernel, in microseconds; only differences mean anything. */
  readonly micros: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly syn: boolean;
  readonly ack: boolean;
  /** Bytes of data. */
  readonly length: number;
}

/** Captures TCP to and from `port` until `stop`, which answers the segments in the order of their times. */
export async function startCapture(host: Host, port: number): Promise<{ stop(): Promise<Segment[]> }> {
  const needed = await host.run(['sh', '-c', 'command -v tcpdump >/dev/null || echo missing']);
  if (needed !== '') throw missingTool('tcpdump', 'tcpdump');
  const file = (await host.run(['mktemp'])).trim();
  // The shell becomes tcpdump, so that signals reach it; what it says on standard error becomes the line of a service.
  const dump = `exec tcpdump --immediate-mode -U -n -i any -s 96 -B 8192 --time-stamp-precision=nano -w "$1" "tcp port $2" \
    2> >(sed -u -n 's/.*listening on.*/{"ready":"tcpdump"}/p')`;
  const service = await host.start(['bash', '-c', dump, 'bash', file, String(port)]);
  return {
    async stop() {
      await service.stop();
      const text = await host.run(['base64', '-w', '0', file]);
      await host.run(['rm', '-f', file]);
      return parseCapture(Buffer.from(text, 'base64'));
    },
  };
}

const MAGIC_NANO = 0xa1b23c4d;
/** Cooked captures, of "any" (linktypes: LINUX_SLL and LINUX_SLL2): bytes before the IP header, and where its type is. */
const cooked: Readonly<Record<number, { header: number; type: number }>> = {
  113: { header: 16, type: 14 },
  276: { header: 20, type: 0 },
};

/** pcap-savefile(5), little-endian, IPv4. A last packet that was cut off is left out. */
export function parseCapture(file: Buffer): Segment[] {
  if (file.length < 24 || file.readUInt32LE(0) !== MAGIC_NANO) throw unreadable('it is no capture');
  const link = cooked[file.readUInt32LE(20) & 0xffff];
  if (!link) throw unreadable('it is of another kind of network card');
  const segments: Segment[] = [];
  for (let at = 24; at + 16 <= file.length; ) {
    const kept = file.readUInt32LE(at + 8);
    if (at + 16 + kept > file.length) break;
    const micros = file.readUInt32LE(at) * 1e6 + file.readUInt32LE(at + 4) / 1000;
    const segment = parseSegment(file.subarray(at + 16, at + 16 + kept), link, micros);
    if (segment) segments.push(segment);
    at += 16 + kept;
  }
  return segments.sort((one, other) => one.micros - other.micros);
}

function parseSegment(
  bytes: Buffer,
  link: { header: number; type: number },
  micros: number,
): Segment | undefined {
  const ip = link.header;
  if (bytes.length < ip + 40 || bytes.readUInt16BE(link.type) !== 0x0800) return undefined;
  const tcp = ip + (bytes[ip]! & 0x0f) * 4;
  if (bytes[ip + 9] !== 6 || bytes.length < tcp + 20) return undefined;
  const flags = bytes[tcp + 13]!;
  return {
    micros,
    sourcePort: bytes.readUInt16BE(tcp),
    destinationPort: bytes.readUInt16BE(tcp + 2),
    syn: (flags & 0x02) !== 0,
    ack: (flags & 0x10) !== 0,
    length: bytes.readUInt16BE(ip + 2) - (tcp - ip) - (bytes[tcp + 12]! >> 4) * 4,
  };
}

const unreadable = (problem: string) =>
  new BatonError('LAB_FAILED', { problem: `the capture cannot be read: ${problem}` });
