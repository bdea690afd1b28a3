/** Ethernet frames made by hand, for what no socket sends: fragments, errors about packets, forged segments. */
import { addressBytes } from '../../shared/addresses.ts';

const macBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(':', ''), 'hex');

const u16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
};
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};

/** RFC 1071. */
function checksum(...parts: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(parts);
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return u16(~sum & 0xffff);
}

export interface Ends {
  readonly from: string;
  readonly to: string;
}

/** A frame from one card to another; in a VLAN (802.1Q) where `vlan` says which. */
export function frame(macs: Ends, packet: Buffer, vlan?: number): Buffer {
  const type = u16(packet[0]! >> 4 === 6 ? 0x86dd : 0x0800);
  const tag = vlan === undefined ? [] : [u16(0x8100), u16(vlan)];
  return Buffer.concat([macBytes(macs.to), macBytes(macs.from), ...tag, type, packet]);
}

const ICMP = 1;
const TCP = 6;
const ICMPV6 = 58;

interface Piece {
  readonly id: number;
  /** Of its first byte in the datagram; a multiple of 8. */
  readonly offset: number;
  readonly more: boolean;
}

export function ipv4(ends: Ends, protocol: number, payload: Buffer, piece?: Piece): Buffer {
  const fragment = piece ? (piece.more ? 0x2000 : 0) | (piece.offset / 8) : 0x4000;
  const head = (sum: Buffer) =>
    Buffer.concat([
      Buffer.of(0x45, 0),
      u16(20 + payload.length),
      u16(piece?.id ?? 1),
      u16(fragment),
      Buffer.of(64, protocol),
      sum,
      addressBytes(ends.from),
      addressBytes(ends.to),
    ]);
  return Buffer.concat([head(checksum(head(u16(0)))), payload]);
}

export const HOP_BY_HOP = 0;
export const DESTINATION = 60;
const FRAGMENT = 44;

/** `extensions`: headers of 8 bytes, empty but for padding. */
export function ipv6(
  ends: Ends,
  protocol: number,
  payload: Buffer,
  { extensions = [], piece }: { extensions?: readonly number[]; piece?: Piece } = {},
): Buffer {
  const chain = [...extensions, ...(piece ? [FRAGMENT] : [])];
  const nextAfter = (i: number) => chain[i + 1] ?? protocol;
  const heads = chain.map((kind, i) =>
    kind === FRAGMENT
      ? Buffer.concat([
          Buffer.of(nextAfter(i), 0),
          u16(piece!.offset | (piece!.more ? 1 : 0)),
          u32(piece!.id),
        ])
      : // PadN of 4 bytes (RFC 8200 section 4.2).
        Buffer.of(nextAfter(i), 0, 1, 4, 0, 0, 0, 0),
  );
  const behind = Buffer.concat([...heads, payload]);
  return Buffer.concat([
    Buffer.of(0x60, 0, 0, 0),
    u16(behind.length),
    Buffer.of(chain[0] ?? protocol, 64),
    addressBytes(ends.from),
    addressBytes(ends.to),
    behind,
  ]);
}

export interface Segment {
  readonly fromPort: number;
  readonly toPort: number;
  readonly seq?: number;
  readonly ack?: number;
  /** FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32. */
  readonly flags: number;
  readonly urgent?: number;
  readonly window?: number;
  /** As they stand in the header, padded to a multiple of 4. */
  readonly options?: Uint8Array;
  readonly data?: string | Uint8Array;
}

export function tcp(ends: Ends, { fromPort, toPort, flags, ...rest }: Segment): Buffer {
  const { seq = 0, ack = 0, urgent = 0, window = 0xffff, options = new Uint8Array(0), data = '' } = rest;
  const segment = (sum: Buffer) =>
    Buffer.concat([
      u16(fromPort),
      u16(toPort),
      u32(seq),
      u32(ack),
      Buffer.of((5 + options.length / 4) << 4, flags),
      u16(window),
      sum,
      u16(urgent),
      options,
      Buffer.from(data as Uint8Array),
    ]);
  const bare = segment(u16(0));
  const pseudo = [addressBytes(ends.from), addressBytes(ends.to), u32(bare.length), u32(TCP)];
  return segment(checksum(...pseudo, bare));
}

const isV6 = (address: string): boolean => address.includes(':');

/** A TCP segment in its packet. */
export const tcpPacket = (ends: Ends, segment: Segment): Buffer =>
  (isV6(ends.from) ? ipv6 : ipv4)(ends, TCP, tcp(ends, segment));

/** `sent` was too big for a link behind `ends.from`, which says so (RFC 792, RFC 4443 section 3.2). */
export function tooBig(ends: Ends, mtu: number, sent: Buffer): Buffer {
  if (!isV6(ends.from)) {
    const error = (sum: Buffer) =>
      Buffer.concat([Buffer.of(3, 4), sum, u16(0), u16(mtu), sent.subarray(0, 28)]);
    return ipv4(ends, ICMP, error(checksum(error(u16(0)))));
  }
  const error = (sum: Buffer) => Buffer.concat([Buffer.of(2, 0), sum, u32(mtu), sent.subarray(0, 1000)]);
  const bare = error(u16(0));
  const pseudo = [addressBytes(ends.from), addressBytes(ends.to), u32(bare.length), u32(ICMPV6)];
  return ipv6(ends, ICMPV6, error(checksum(...pseudo, bare)));
}

export const TCP_PROTOCOL = TCP;
