import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';
import { needing } from '../../support/needs.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = join(root, 'infra/vagrant');

const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));
const scripts = files.filter((file) => readFileSync(file, 'utf8').startsWith('#!/bin/sh'));
const units = files.filter((file) => file.endsWith('.service'));

test('there are scripts and units to check', (t) => {
  const names = scripts.map((file) => relative(folder, file));
  t.true(names.includes('provision') && names.includes('guest/service'), names.join(' '));
  t.true(units.length >= 3);
});

needing('shellcheck')('the scripts of the Vagrant lab are clean', async (t) => {
  const { exitCode, stdout } = await execa('shellcheck', ['--shell=sh', ...scripts], { reject: false });
  t.is(exitCode, 0, stdout);
});

test('no unit is given more privileges than its work takes', (t) => {
  const allowed: Record<string, string> = {
    'baton-head.service': 'CAP_NET_ADMIN CAP_BPF CAP_PERFMON',
    'remote-delivery.conf': 'CAP_NET_ADMIN',
    'baton-delivery@.service': '',
    'baton-admin.service': '',
  };
  for (const [name, capabilities] of Object.entries(allowed)) {
    const text = readFileSync(join(folder, 'systemd', name), 'utf8');
    const values = [...text.matchAll(/^(?:Ambient|Bounding)?Capabilit\w+=(.*)$/gm)].map(([, value]) => value);
    t.true(values.length > 0 && values.every((value) => value === capabilities), `${name}: ${values}`);
    if (name.endsWith('.service')) t.regex(text, /^User=baton$/m);
  }
});

const vagrant = (env: Record<string, string>) =>
  execa('vagrant', ['validate', '--ignore-provider'], {
    cwd: root,
    env: { VAGRANT_CHECKPOINT_DISABLE: '1', ...env },
    reject: false,
  });

needing('vagrant', test.serial)('the Vagrantfile is valid, with every variable that it knows', async (t) => {
  const plain = await vagrant({});
  t.is(plain.exitCode, 0, plain.stderr);
  const all = await vagrant({
    BATON_DELIVERIES: '5',
    BATON_BOX: 'some/box',
    BATON_MEMORY: '1024',
    BATON_CPUS: '2',
    BATON_NETWORK: '192.168.60',
    BATON_EMULATED: '1',
    BATON_LIBVIRT_EMULATOR: '/bin/true',
    BATON_LIBVIRT_POOL: 'elsewhere',
    BATON_LIBVIRT_NAT: '0',
  });
  t.is(all.exitCode, 0, all.stderr);
});

needing('vagrant', test.serial)('a variable that makes no sense is told by its name', async (t) => {
  for (const [name, value] of [
    ['BATON_DELIVERIES', '0'],
    ['BATON_MEMORY', 'much'],
    ['BATON_NETWORK', '10.77'],
  ] as const) {
    const { exitCode, stderr } = await vagrant({ [name]: value });
    t.not(exitCode, 0);
    t.true(stderr.includes(name), stderr);
  }
});
