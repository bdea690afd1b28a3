/** Whether HOST:PORT is somewhere that a client can be sent to: it is to stand in a Location header as it is. */
import { isIPv4, isIPv6 } from 'node:net';
import { addressBytes } from './addresses.ts';

export const REACHABLE = 'expected HOST:PORT that clients can connect to';

/** The longest name without its last dot (RFC 1035 section 2.3.4), and its labels. */
const NAME_MAX = 253;
const LABEL = /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/;

export function isReachable(text: string): boolean {
  const [, ipv6, other, port] = /^(?:\[([^[\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) === 0 || Number(port) > 65_535) return false;
  if (ipv6 !== undefined) return isReachableIPv6(ipv6);
  return isIPv4(other!) ? isReachableIPv4(addressBytes(other!)) : isName(other!);
}

/** Not "this network" (0.0.0.0/8, RFC 1122 section 3.2.1.3), a group or everybody. */
const isReachableIPv4 = ([first, ...rest]: Uint8Array): boolean =>
  first !== 0 && !(first! >= 224 && first! < 240) && !(first === 255 && rest.every((byte) => byte === 255));

function isReachableIPv6(host: string): boolean {
  // A zone names a network card of this host: no other one could use it, and no URL carries it.
  if (!isIPv6(host) || host.includes('%')) return false;
  const bytes = addressBytes(host);
  const isMapped =
    bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
  if (isMapped) return isReachableIPv4(bytes.subarray(12));
  const isLinkLocal = bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80;
  return bytes.some((byte) => byte !== 0) && bytes[0] !== 0xff && !isLinkLocal;
}

/** URLs' readers make an IPv4 address of a name whose last label is a number: 127.1, 0x7f.1 (URL standard, "ends in a number"). */
function isName(host: string): boolean {
  const name = host.replace(/\.$/, '');
  const labels = name.split('.');
  return (
    name.length <= NAME_MAX &&
    labels.every((label) => LABEL.test(label)) &&
    !/^(?:\d+|0x[0-9a-f]*)$/i.test(labels.at(-1)!)
  );
}
