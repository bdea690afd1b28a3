/** IP and MAC addresses between text and the bytes of a packet. */
import { isIPv4, isIPv6 } from 'node:net';

/** Writes 16 bytes; an IPv4 address as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). Throws RangeError for anything else. */
export function writeAddress(into: Buffer, at: number, text: string): void {
  if (isIPv4(text)) {
    into.fill(0, at, at + 10);
    into.writeUInt16BE(0xffff, at + 10);
    writeIPv4(into, at + 12, text);
  } else if (isIPv6(text) && !text.includes('%')) {
    writeIPv6(into, at, text);
  } else {
    throw new RangeError(`not a numeric address: ${text}`);
  }
}

/** The 4 bytes of an IPv4 address, the 16 of an IPv6 one. Throws RangeError for anything else. */
export function addressBytes(text: string): Uint8Array {
  const bytes = Buffer.alloc(16);
  writeAddress(bytes, 0, text);
  return isIPv4(text) ? bytes.subarray(12) : bytes;
}

function writeIPv4(into: Buffer, at: number, text: string): void {
  let byte = 0;
  let place = at;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2e) {
      into[place++] = byte;
      byte = 0;
    } else {
      byte = byte * 10 + code - 0x30;
    }
  }
  into[place] = byte;
}

function writeIPv6(into: Buffer, at: number, text: string): void {
  const [before, after] = text.split('::') as [string, string?];
  into.fill(0, at, at + 16);
  writeGroups(into, at, before);
  if (after) {
    const groups = after.split(':').length + (after.includes('.') ? 1 : 0);
    writeGroups(into, at + 16 - 2 * groups, after);
  }
}

function writeGroups(into: Buffer, at: number, text: string): void {
  if (text === '') return;
  for (const [i, group] of text.split(':').entries()) {
    if (group.includes('.')) writeIPv4(into, at + 2 * i, group);
    else into.writeUInt16BE(Number.parseInt(group, 16), at + 2 * i);
  }
}

/** The inverse; IPv6 as RFC 5952 wants it. */
export function readAddress(from: Buffer, at: number): string {
  const isMapped = from.readUInt16BE(at + 10) === 0xffff && from.subarray(at, at + 10).every((b) => b === 0);
  if (isMapped) return from.subarray(at + 12, at + 16).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => from.readUInt16BE(at + 2 * i).toString(16));
  // A URL's parser shortens it.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

export function writeMac(into: Buffer, at: number, text: string): void {
  for (const [i, part] of text.split(':').entries()) into[at + i] = Number.parseInt(part, 16);
}

export const readMac = (from: Buffer, at: number): string =>
  Array.from(from.subarray(at, at + 6), (byte) => byte.toString(16).padStart(2, '0')).join(':');
