import test from 'ava';
import { isReachable } from '../../shared/reachable.ts';

test('an address that clients can be sent to has a host that others reach, and a port', (t) => {
  for (const text of [
    '127.0.0.1:80',
    '10.0.0.1:65535',
    '255.255.255.254:1',
    '[::1]:80',
    '[2001:db8::1]:8080',
    '[::ffff:10.0.0.1]:80',
    '[::ffff:a00:1]:80',
    'localhost:3000',
    'example.org:80',
    'example.org.:80',
    'xn--bcher-kva.example:80',
    '1.example:80',
    'a1:80',
    `${'a'.repeat(63)}.example:80`,
    `${'a.'.repeat(126)}a:80`,
  ])
    t.true(isReachable(text), text);
});

test('wildcards, groups, what only looks like an address and what is no name are none', (t) => {
  for (const text of [
    ...['0.0.0.0', '0', '00.0.0.0', '0.1.2.3', '224.0.0.1', '239.1.1.1', '255.255.255.255'],
    ...['1.2.3.400', '1.2.3', '127.1', '0x7f.1', '0x7f000001', '0x', '1.2.3.4.', '01.2.3.4', '2130706433'],
    ...['a.0x7f', 'a.1', '...', '.', '-', 'a-', '-a.example', 'a..example', '.example', 'example.org..'],
    ...['a_b', 'a b', ' a', 'bücher.example', 'user@host', 'a/b', 'a%2e', '', 'a:b'],
    ...[`${'a'.repeat(64)}.example`, `${'a.'.repeat(126)}ab`],
    ...['[::]', '[0::0]', '[0:0:0:0:0:0:0:0]', '[::0.0.0.0]', '[::ffff:0.0.0.0]', '[::ffff:0:0]'],
    ...['[::ffff:224.0.0.1]', '[ff02::1]', '[fe80::1]', '[fe80::1%eth0]', '[febf::1]', '[::1%lo]'],
    ...['[::::]', '[1]', '[]', '[::1', '::1]', '::1', '[127.0.0.1]', '[::1].'],
  ])
    t.false(isReachable(`${text}:80`), text);
  for (const text of [
    'a',
    'a:',
    'a:0',
    'a:00000',
    'a:65536',
    'a:080000',
    'a:-1',
    'a:+1',
    'a:8 0',
    'a:80 ',
    'a:80\n',
    '[::1]',
  ])
    t.false(isReachable(text), JSON.stringify(text));
});
