/** The two ends of a connection as 36 bytes: how heads and deliveries name a flow to each other, and to the kernel. */
import type { Ends } from '../../tcp-repair/index.ts';

/** client's address, server's address (16 bytes each, IPv4 as ::ffff:a.b.c.d, RFC 4291 section 2.5.5.2), both ports. */
export const FLOW_KEY_SIZE = 36;

export function flowKey({ client, server }: Ends): Buffer {
  const key = Buffer.alloc(FLOW_KEY_SIZE);
  writeAddress(key, 0, client.address);
  writeAddress(key, 16, server.address);
  key.writeUInt16BE(client.port, 32);
  key.writeUInt16BE(server.port, 34);
  return key;
}

/** IPv4 ends as IPv4, whatever socket they were of. */
export const endsOfKey = (key: Buffer): Ends => ({
  client: { address: readAddress(key, 0), port: key.readUInt16BE(32) },
  server: { address: readAddress(key, 16), port: key.readUInt16BE(34) },
});

function readAddress(key: Buffer, at: number): Uint8Array {
  const isV4 = key.readUInt16BE(at + 10) === 0xffff && key.subarray(at, at + 10).every((byte) => byte === 0);
  return Uint8Array.from(key.subarray(at + (isV4 ? 12 : 0), at + 16));
}

function writeAddress(key: Buffer, at: number, address: Uint8Array): void {
  if (address.length === 4) key.writeUInt16BE(0xffff, at + 10);
  key.set(address, at + 16 - address.length);
}
