import { isIPv4, isIPv6 } from 'node:net';
import { readAddress, writeAddress } from '../../../shared/addresses.ts';
import { isReachable } from '../../../shared/reachable.ts';
import {
  formatBytes,
  formatDuration,
  formatHostPort,
  parseBytes,
  parseDuration,
  parseHostPort,
} from '../../../shared/units.ts';
import { hold, same, type Target } from '../target.ts';

/** What people write: addresses, durations, sizes. What is read can be written and read again. */
export const addresses: Target = {
  about: 'addresses, durations, sizes',
  code: ['shared/units.ts', 'shared/reachable.ts', 'shared/addresses.ts'],
  words: [
    '127.0.0.1',
    '::1',
    '[::1]:80',
    ':8080',
    'example.org:80',
    '0.0.0.0',
    '::ffff:1.2.3.4',
    '1.5',
    'ms',
    'us',
    's',
    'm',
    'h',
    'k',
    'iB',
    '%eth0',
    'fe80::',
    '0x7f',
    '.',
    '-',
    '65535',
    '1:2:3:4:5:6:1.2.3.4',
  ],
  longest: 600,
  generate(dice) {
    const host = dice.pick([
      '127.0.0.1',
      '[::1]',
      'example.org',
      '',
      '[2001:db8::1.2.3.4]',
      '[fe80::1%lo]',
      'a.'.repeat(dice.below(130)),
      'a'.repeat(dice.below(70)),
    ]);
    const amount = `${dice.integer()}${dice.oneIn(3) ? `.${dice.below(1000)}` : ''}`;
    return Buffer.from(
      dice.oneIn(2)
        ? `${host}:${dice.mostly(80, dice.integer())}`
        : `${amount}${dice.pick(['', ' ', '  '])}${dice.pick(['us', 'ms', 's', 'm', 'h', 'k', 'mb', 'GiB', ''])}`,
    );
  },
  check(input) {
    const text = Buffer.from(input).toString('latin1');
    const results: string[] = [];
    const hostPort = parseHostPort(text);
    if (hostPort) {
      results.push('HOST:PORT');
      same(parseHostPort(formatHostPort(hostPort)), hostPort, 'HOST:PORT written again');
    }
    if (isReachable(text)) {
      results.push('reachable');
      // It stands in a URL as it is: no byte of it may be more than an address to a client.
      const url = new URL(`http://${text}/`);
      hold(
        url.username === '' &&
          url.pathname === '/' &&
          url.hash === '' &&
          url.search === '' &&
          /^[\w.:[\]-]+$/.test(text),
        `a URL of ${text}: ${url}`,
      );
      const port = Number(text.slice(text.lastIndexOf(':') + 1));
      hold(Number(url.port || 80) === port, `port ${url.port} of ${text}`);
      hold(hostPort !== undefined, 'reachable, and no HOST:PORT');
    }
    const millis = parseDuration(text);
    if (millis !== undefined) {
      results.push('duration');
      hold(millis >= 0, `${millis} ms`);
      if (Number.isSafeInteger(millis))
        same(parseDuration(formatDuration(millis)), millis, formatDuration(millis));
    }
    const size = parseBytes(text);
    if (size !== undefined) {
      results.push('size');
      hold(size >= 0, `${size} bytes`);
      if (Number.isSafeInteger(size)) same(parseBytes(formatBytes(size)), size, formatBytes(size));
    }
    if (isIPv4(text) || (isIPv6(text) && !text.includes('%'))) {
      results.push('IP');
      const bytes = Buffer.alloc(16, 0xee);
      writeAddress(bytes, 0, text);
      const again = Buffer.alloc(16, 0xdd);
      writeAddress(again, 0, readAddress(bytes, 0));
      same(again, bytes, readAddress(bytes, 0));
      // Another reader of the same text.
      if (isIPv6(text)) same(readAddress(bytes, 0), plainIPv6(text), 'as a URL has it');
    }
    return results.join(' ') || 'nothing';
  },
};

/** As the URL standard has it, and IPv4 where that is what it means. */
function plainIPv6(text: string): string {
  const host = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(host);
  if (!mapped) return host;
  const [high, low] = [Number.parseInt(mapped[1]!, 16), Number.parseInt(mapped[2]!, 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
