/**
 * A connection as the kernel's steering table knows it: the layouts of flow_key and flow in steer.bpf.c. IPv4 addresses
 * are kept as ::ffff:a.b.c.d, so that a dual-stack socket's connections need nothing special.
 */

import { readAddress, readMac, writeAddress, writeMac } from '../../shared/addresses.ts';
import type { HostPort } from '../../shared/units.ts';
import { FLOW_KEY_SIZE } from '../../shared/wire/remote/flow-key.ts';
import type { Unknown } from './types.ts';

/** The client's end and the end that it connected to, both numeric. */
export interface Flow {
  readonly client: HostPort;
  readonly server: HostPort;
}

/** Where forwarded packets go: a host on the same layer-2 segment, and the network card that leads to it. */
export interface NextHop {
  readonly mac: string;
  readonly ifindex: number;
  /** The address of that network card: what the frames say they come from. */
  readonly sourceMac: string;
}

export interface SteeredFlow extends Flow {
  /** `mark`: its packets pass. */
  readonly action: 'hold' | 'forward' | 'mark';
  /** The next hop of a forwarded flow. */
  readonly mac?: string;
  readonly ifindex?: number;
  /** The number of its migration; 0 where an earlier release has written it. */
  readonly id?: number;
  /** Held or forwarded since the action was set. */
  readonly packets: number;
  readonly bytes: number;
}

/** The table's name in steer.bpf.c. */
export const FLOWS = 'flows';
/** The key of a table with numbered places. */
export const INDEX_SIZE = 4;

/** flow_key is laid out as the keys that heads and deliveries name flows by. */
export const KEY_SIZE = FLOW_KEY_SIZE;
export const FLOW_SIZE = 56;

/** datagram and way in steer.bpf.c, and how many of the last datagrams that came in pieces are known. */
export const DATAGRAM_SIZE = 36;
export const WAY_SIZE = 16;
export const DATAGRAMS = 4096;

const HOLD = 1;
const FORWARD = 2;
/** None that the program acts on. */
const MARK = 3;

/** The key of a flow that is given as text. */
export function keyOf({ client, server }: Flow): Buffer {
  const key = Buffer.alloc(KEY_SIZE);
  writeAddress(key, 0, client.host);
  writeAddress(key, 16, server.host);
  key.writeUInt16BE(client.port, 32);
  key.writeUInt16BE(server.port, 34);
  return key;
}

export const readKey = (key: Buffer): Flow => ({
  client: { host: readAddress(key, 0), port: key.readUInt16BE(32) },
  server: { host: readAddress(key, 16), port: key.readUInt16BE(34) },
});

/** `untilNanos`: on the clock of process.hrtime.bigint(), which is bpf_ktime_get_ns()'s. */
export function writeHold(value: Buffer, untilNanos: bigint, id: number): void {
  value.fill(0);
  value.writeUInt32LE(HOLD, 0);
  writeId(value, OWNER_AT, id);
  value.writeBigUInt64LE(untilNanos, 40);
}

export function writeMark(value: Buffer, id: number): void {
  value.fill(0);
  value.writeUInt32LE(MARK, 0);
  writeId(value, OWNER_AT, id);
}

/** Where a forwarded flow has its MAC addresses: the program reads those of no other. */
const OWNER_AT = 8;
/** Where a hold has its end: the program does not look at it. */
const FORWARDED_ID_AT = 40;

/** Exact below 2^53, without an object for a large integer. */
function writeId(value: Buffer, at: number, id: number): void {
  value.writeUInt32LE(id % 2 ** 32, at);
  value.writeUInt32LE(Math.floor(id / 2 ** 32), at + 4);
}
const readId = (value: Buffer, at: number): number =>
  value.readUInt32LE(at) + value.readUInt32LE(at + 4) * 2 ** 32;

/** The number of the migration that an entry belongs to; 0 where an earlier release has written it. */
export const readOwner = (value: Buffer): number =>
  readId(value, value.readUInt32LE(0) === FORWARD ? FORWARDED_ID_AT : OWNER_AT);

/** As HANDSHAKE_NS in steer.bpf.c. */
export const HANDSHAKE_NANOS = 75_000_000_000n;

/** `lookUntilNanos`: until then the program looks for a newer connection of the head's, on the clock of `writeHold`. */
export function writeForward(value: Buffer, hop: NextHop, lookUntilNanos: bigint, id: number): void {
  value.fill(0);
  value.writeUInt32LE(FORWARD, 0);
  value.writeUInt32LE(hop.ifindex, 4);
  value.set(macsOf(hop), 8);
  writeId(value, FORWARDED_ID_AT, id);
  value.writeBigUInt64LE(lookUntilNanos, LOOK_UNTIL_AT);
}

/** Where a forwarded flow has until when the program looks. */
const LOOK_UNTIL_AT = 48;

/** Changes that in an entry that was read; false where the entry is not a forwarded flow of this number. */
export function changeLook(value: Buffer, id: number, lookUntilNanos: bigint): boolean {
  if (value.readUInt32LE(0) !== FORWARD || readOwner(value) !== id) return false;
  value.writeBigUInt64LE(lookUntilNanos, LOOK_UNTIL_AT);
  return true;
}

const macs = new WeakMap<NextHop, Buffer>();

/** Read once for each hop, and not for each flow: 21 us of a head that wakes for a connection. */
function macsOf(hop: NextHop): Buffer {
  let both = macs.get(hop);
  if (!both) {
    both = Buffer.alloc(12);
    writeMac(both, 0, hop.mac);
    writeMac(both, 6, hop.sourceMac);
    macs.set(hop, both);
  }
  return both;
}

/** Its map, and struct unknown in steer.bpf.c. */
export const UNKNOWN = 'unknown';
export const UNKNOWN_SIZE = 48;

export function writeUnknown(value: Buffer, { server, fromNanos = 0n, untilNanos }: Unknown): void {
  value.writeBigUInt64LE(fromNanos, 0);
  value.writeBigUInt64LE(untilNanos, 8);
  writeAddress(value, 24, server.host);
  value.writeUInt16BE(server.port, 40);
}

export const readUnknownHeld = (value: Buffer): number => Number(value.readBigUInt64LE(16));

const readForward = (value: Buffer) => ({
  mac: readMac(value, 8),
  ifindex: value.readUInt32LE(4),
  id: readId(value, FORWARDED_ID_AT),
});

/** The host that a flow is steered to. */
export interface Holder {
  readonly mac: string;
  /** Of the migration that brought it there; 0 where an earlier release has written it. */
  readonly id: number;
}

/** Few hosts have many flows. By the six bytes as a number. */
const names = new Map<number, string>();

function macAt(value: Buffer, at: number): string {
  const bytes = value.readUIntBE(at, 6);
  let mac = names.get(bytes);
  if (mac === undefined) {
    mac = readMac(value, at);
    names.set(bytes, mac);
  }
  return mac;
}

/** Whose an entry is; of a connection that is on its way, undefined. Fewer objects than `readFlow`: visitors may wait for all of a table. */
export const readHolder = (value: Buffer): Holder | undefined =>
  value.readUInt32LE(0) === FORWARD
    ? { mac: macAt(value, 8), id: readId(value, FORWARDED_ID_AT) }
    : undefined;

export function readFlow(key: Buffer, value: Buffer): SteeredFlow {
  const action = value.readUInt32LE(0);
  const forwarded = action === FORWARD;
  return {
    ...readKey(key),
    action: forwarded ? 'forward' : action === HOLD ? 'hold' : 'mark',
    ...(forwarded ? readForward(value) : {}),
    packets: Number(value.readBigUInt64LE(24)),
    bytes: Number(value.readBigUInt64LE(32)),
  };
}
