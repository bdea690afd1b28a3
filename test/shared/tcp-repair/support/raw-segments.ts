/** TCP segments as they stand on the wire: options made, and what came read. RFC 9293, 7323, 2018. */
export const [FIN, SYN, RST, PSH, ACK, URG, ECE, CWR] = [1, 2, 4, 8, 16, 32, 64, 128] as const;

const [END, NOP, MSS, SCALE, SACK_OK, SACK, TIMESTAMPS] = [0, 1, 2, 3, 4, 5, 8] as const;

export interface WrittenOptions {
  readonly mss?: number;
  readonly sackOk?: boolean;
  readonly scale?: number | null;
  readonly timestamps?: readonly number[];
  readonly sack?: readonly (readonly [from: number, to: number])[];
}

const u16 = (value: number): number[] => [(value >> 8) & 255, value & 255];
const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value & 0xffff)];

/** Padded with NOP. */
export function optionsOf({ mss, sackOk, scale, timestamps, sack }: WrittenOptions): Uint8Array {
  const bytes = [
    ...(mss === undefined ? [] : [MSS, 4, ...u16(mss)]),
    ...(sackOk ? [SACK_OK, 2] : []),
    ...(scale === undefined || scale === null ? [] : [SCALE, 3, scale]),
    ...(timestamps ? [TIMESTAMPS, 10, ...timestamps.flatMap(u32)] : []),
    ...(sack ? [SACK, 2 + 8 * sack.length, ...sack.flatMap(([from, to]) => [...u32(from), ...u32(to)])] : []),
  ];
  while (bytes.length % 4 !== 0) bytes.push(NOP);
  return Uint8Array.from(bytes);
}

export interface ReadSegment {
  /** Of the card that sent it. */
  readonly mac: string;
  readonly isIntact: boolean;
  readonly fromPort: number;
  readonly toPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly data: Buffer;
  readonly mss: number;
  readonly sackOk: boolean;
  readonly scale: number | undefined;
  readonly timestamps: readonly [value: number, echo: number] | undefined;
}

const TCP = 6;

/** Undefined for what is no TCP segment. */
export function readSegment(frame: Buffer): ReadSegment | undefined {
  const mac = frame.toString('hex', 6, 12).replaceAll(/(..)(?=.)/g, '$1:');
  const packet = frame.subarray(14);
  const isV6 = frame.readUInt16BE(12) === 0x86dd;
  if (!isV6 && frame.readUInt16BE(12) !== 0x0800) return undefined;
  if (packet[isV6 ? 6 : 9] !== TCP) return undefined;
  const head = isV6 ? 40 : (packet[0]! & 15) * 4;
  const length = isV6 ? 40 + packet.readUInt16BE(4) : packet.readUInt16BE(2);
  const tcp = packet.subarray(head, length);
  const addresses = isV6 ? packet.subarray(8, 40) : packet.subarray(12, 20);
  const dataAt = (tcp[12]! >> 4) * 4;
  return {
    mac,
    isIntact: addsUp(addresses, tcp),
    fromPort: tcp.readUInt16BE(0),
    toPort: tcp.readUInt16BE(2),
    seq: tcp.readUInt32BE(4),
    ack: tcp.readUInt32BE(8),
    flags: tcp[13]!,
    window: tcp.readUInt16BE(14),
    data: tcp.subarray(dataAt),
    ...readOptions(tcp.subarray(20, dataAt)),
  };
}

const sum = (bytes: Buffer): number => {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  return total;
};

/** RFC 1071: with the checksum in it all adds up to ones. */
function addsUp(addresses: Buffer, tcp: Buffer): boolean {
  let total = sum(addresses) + TCP + tcp.length + sum(tcp);
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000);
  return total === 0xffff;
}

function readOptions(bytes: Buffer): Pick<ReadSegment, 'mss' | 'sackOk' | 'scale' | 'timestamps'> {
  const found: {
    mss: number;
    sackOk: boolean;
    scale: number | undefined;
    timestamps: readonly [number, number] | undefined;
  } = { mss: 536, sackOk: false, scale: undefined, timestamps: undefined };
  for (let at = 0; at < bytes.length && bytes[at] !== END; ) {
    if (bytes[at] === NOP) {
      at++;
      continue;
    }
    if (bytes[at] === MSS) found.mss = bytes.readUInt16BE(at + 2);
    if (bytes[at] === SCALE) found.scale = bytes[at + 2];
    if (bytes[at] === SACK_OK) found.sackOk = true;
    if (bytes[at] === TIMESTAMPS) found.timestamps = [bytes.readUInt32BE(at + 2), bytes.readUInt32BE(at + 6)];
    at += Math.max(2, bytes[at + 1]!);
  }
  return found;
}
