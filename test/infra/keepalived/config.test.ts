import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { keepalivedConfig } from '../../../infra/keepalived/config.ts';
import { asRoot } from '../../support/netns.ts';

const config = keepalivedConfig({
  name: 'a',
  interface: 'eth0',
  vip: '192.0.2.1/32',
  more: ['2001:db8::1/128'],
  check: '/bin/true',
});

asRoot(['keepalived'])('keepalived has nothing against it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'conf');
  writeFileSync(file, config);
  // It wants to see the card.
  const script = `ip link add eth0 type veth peer name other && exec keepalived --config-test -f ${file}`;
  const { stderr, failed } = await execa('unshare', ['--net', 'sh', '-c', script], { reject: false });
  t.false(failed, stderr);
  t.is(stderr, '');
});

test('no word is left to be replaced', (t) => {
  t.notRegex(config, /@[A-Z]+@/);
});

test('a head that comes back takes nothing away, and one that is not ready gives way', (t) => {
  t.regex(config, /^\tstate BACKUP\n\tpriority 100\n/m);
  t.regex(config, /^\tweight -50$/m);
  t.regex(config, /^\tinit_fail$/m);
  t.notRegex(config, /^\s*(nopreempt|use_vmac)/m);
});
