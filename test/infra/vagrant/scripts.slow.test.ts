import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';
import { SLOTS } from '../../../head/scoreboard.ts';
import { baton } from '../../../infra/lab/service.ts';
import { capabilitiesOf } from '../../../infra/lab/vagrant/doctor.ts';
import { needing } from '../../support/needs.ts';
import { asRoot } from '../../support/netns.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = join(root, 'infra/vagrant');

const shipped = join(root, 'infra/systemd');

const files = [folder, shipped]
  .flatMap((one) => readdirSync(one, { recursive: true, withFileTypes: true }))
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

test('a step that reads what the host is has the heads that the machine was provisioned with', async (t) => {
  const text = readFileSync(join(folder, 'provision.d/host'), 'utf8');
  const facts = /cat >\/etc\/baton\/host\.env (<<E\n[\s\S]*?\nE\n)/.exec(text)![1]!;
  const file = join(mkdtempSync(join(tmpdir(), 'baton-test-facts-')), 'host.env');
  t.teardown(() => rmSync(join(file, '..'), { recursive: true }));
  const heads = '10.77.0.2 10.77.0.4';
  const script = `interface=eth1; cat >${file} ${facts}unset BATON_HEADS; . ${file}; echo "$BATON_HEADS"`;
  const known = { BATON_NAME: 'head', BATON_ADDRESS: '10.77.0.2', BATON_VIP: '10.77.0.100' };
  const { stdout } = await execa('sh', ['-euc', script], { env: { ...known, BATON_HEADS: heads } });
  t.is(stdout, heads);
});

test('no unit is given more privileges than its work takes', (t) => {
  const allowed: Record<string, string> = {
    'baton-head.service': 'CAP_NET_ADMIN CAP_BPF CAP_PERFMON',
    'baton-head-local.conf': '|CAP_NET_BIND_SERVICE',
    'remote-delivery.conf': 'CAP_NET_ADMIN CAP_BPF',
    'baton-delivery@.service': '',
    'baton-admin.service': '',
  };
  for (const [name, capabilities] of Object.entries(allowed)) {
    const text = readFileSync(files.find((file) => basename(file) === name)!, 'utf8');
    const values = [...text.matchAll(/^(?:Ambient|Bounding)?Capabilit\w+=(.*)$/gm)].map(([, value]) => value);
    t.true(
      values.length > 0 && values.every((value) => capabilities.split('|').includes(value!)),
      `${name}: ${values}`,
    );
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
    BATON_HEADS: '2',
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
    ['BATON_HEADS', '3'],
    ['BATON_MEMORY', 'much'],
    ['BATON_NETWORK', '10.77'],
  ] as const) {
    const { exitCode, stderr } = await vagrant({ [name]: value });
    t.not(exitCode, 0);
    t.true(stderr.includes(name), stderr);
  }
});

/** What a Vagrantfile asks of Vagrant, as `name=value` lines: this stands where Vagrant does and writes down what it is told. */
const recorder = `
class Recorder < BasicObject
  def method_missing(name, *args, **named, &block)
    [*args, *named.map { |key, value| "#{key}=#{value}" }].each { |value| ::STDOUT.puts "#{name} #{value}" }
    block&.call(self)
    self
  end
  def respond_to_missing?(*) = true
end
module Vagrant
  def self.configure(_) = yield(Recorder.new)
end
load ARGV[0]
`;
async function namesOf(checkout: string) {
  const { stdout } = await execa('ruby', ['-e', recorder, join(checkout, 'Vagrantfile')]);
  const all = (pattern: RegExp) => [...new Set([...stdout.matchAll(pattern)].map(([, value]) => value!))];
  return {
    segments: all(/^network (?:libvirt__network_name|virtualbox__intnet)=(.*)$/gm),
    prefixes: all(/^default_prefix= (.*)$/gm),
    machines: all(/^define (.*)$/gm),
  };
}

asRoot()('a head that lacks keepalived and has no internet says what to do, in one line', async (t) => {
  const place = mkdtempSync(join(tmpdir(), 'baton-test-'));
  t.teardown(async () => rmSync(place, { recursive: true }));
  // Of this machine's programs a guest's few: neither keepalived nor, where packages would come from, apt.
  const few = ['sh', 'ip', 'tc', 'sysctl', 'find', 'tr', 'cat'];
  for (const name of few) {
    const { stdout } = await execa('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin; command -v ${name}`]);
    symlinkSync(stdout, join(place, name));
  }
  const guest =
    'mount -t tmpfs none /opt && mkdir /opt/baton && mount --bind "$1" /opt/baton && PATH=$2 && exec /opt/baton/infra/vagrant/provision.d/dependencies';
  const { exitCode, stderr } = await execa('unshare', ['--mount', 'sh', '-c', guest, 'sh', root, place], {
    env: { BATON_MACHINE: 'head', BATON_HEADS: '192.0.2.2 192.0.2.4' },
    reject: false,
  });
  t.is(exitCode, 1, stderr);
  t.regex(
    stderr.split('\n').at(-1)!,
    /^head lacks keepalived and cannot get it: .*infra\/vagrant\/fetch-packages .*vagrant rsync && vagrant provision$/,
  );
});

needing('ruby')('two heads are two machines, and all are told of both', async (t) => {
  const place = mkdtempSync(join(tmpdir(), 'baton-test-'));
  t.teardown(async () => rmSync(place, { recursive: true }));
  for (const name of ['Vagrantfile', 'package-lock.json']) cpSync(join(root, name), join(place, name));
  const { stdout } = await execa('ruby', ['-e', recorder, join(place, 'Vagrantfile')], {
    env: { BATON_HEADS: '2', BATON_DELIVERIES: '1' },
  });
  t.deepEqual(
    [...stdout.matchAll(/^define (.*)$/gm)].map(([, name]) => name),
    ['client', 'head', 'head2', 'delivery1'],
  );
  const told = [...stdout.matchAll(/"BATON_HEADS"\s*=>\s*"([^"]*)"/g)].map(([, heads]) => heads);
  t.deepEqual(told, Array(4).fill('10.77.0.2 10.77.0.4'));
});

needing('ruby')(
  'checkouts on one machine have networks and machines of their own, of the same addresses',
  async (t) => {
    const place = mkdtempSync(join(tmpdir(), 'baton-test-'));
    t.teardown(async () => rmSync(place, { recursive: true }));
    const checkouts = ['one/baton', 'two/baton', 'three'].map((name) => join(place, name));
    const clone = (checkout: string) => {
      mkdirSync(checkout, { recursive: true });
      cpSync(join(root, 'Vagrantfile'), join(checkout, 'Vagrantfile'));
    };
    for (const checkout of checkouts) clone(checkout);
    const found = await Promise.all(checkouts.map(namesOf));
    for (const { segments, prefixes } of found) {
      t.is(segments.length, 1, 'one segment, whichever the provider');
      t.is(prefixes.length, 1);
      // IFNAMSIZ does not bind it: the bridge has a name of its own. A domain's name may be long.
      t.regex(segments[0]!, /^baton-10\.77\.0-[0-9a-f]{8}$/);
    }
    t.is(new Set(found.map(({ segments }) => segments[0])).size, 3);
    t.is(new Set(found.map(({ prefixes }) => prefixes[0])).size, 3);

    // A copy that takes the first one's notes with it is another checkout all the same.
    const copy = join(place, 'copy');
    cpSync(checkouts[0]!, copy, { recursive: true });
    t.notDeepEqual((await namesOf(copy)).segments, found[0]!.segments);

    // Machines that were made find their network again, wherever the folder is.
    const made = join(checkouts[2]!, '.vagrant/machines/head/libvirt');
    mkdirSync(made, { recursive: true });
    writeFileSync(join(made, 'id'), 'x');
    const moved = join(place, 'moved');
    renameSync(checkouts[2]!, moved);
    t.deepEqual((await namesOf(moved)).segments, found[2]!.segments);
  },
);

needing('ruby')('the lab makes no more deliveries than a head takes', async (t) => {
  const place = mkdtempSync(join(tmpdir(), 'baton-test-'));
  t.teardown(async () => rmSync(place, { recursive: true }));
  cpSync(join(root, 'Vagrantfile'), join(place, 'Vagrantfile'));
  const withDeliveries = (count: number) =>
    execa('ruby', ['-e', recorder, join(place, 'Vagrantfile')], {
      env: { BATON_DELIVERIES: String(count) },
      reject: false,
    });
  const most = await withDeliveries(SLOTS);
  t.is(most.exitCode, 0, most.stderr);
  t.true(most.stdout.includes(`define delivery${SLOTS}\n`));
  const more = await withDeliveries(SLOTS + 1);
  t.not(more.exitCode, 0);
  t.regex(more.stderr, new RegExp(`from 1 to ${SLOTS}`));
  for (const on of ['netns', 'vagrant']) {
    const { exitCode, stderr } = await execa(
      baton[0]!,
      [...baton.slice(1), 'lab', 'up', '--on', on, '--deliveries', String(SLOTS + 1)],
      { reject: false, env: { PATH: '/nowhere' } },
    );
    t.is(exitCode, 2, stderr);
    t.regex(
      stderr,
      new RegExp(`--deliveries: give a whole number from 1 to ${SLOTS}, as many as a head takes`),
    );
  }
});

test('the doctor has what the services on the machines may do, and no more', (t) => {
  t.deepEqual(capabilitiesOf('head'), ['net_admin', 'bpf', 'perfmon']);
  t.deepEqual(capabilitiesOf('delivery'), ['net_admin', 'bpf']);
});

needing('ruby')(
  'guests get all that heads, deliveries and experiments need, and not what only developers do',
  async (t) => {
    const place = mkdtempSync(join(tmpdir(), 'baton-test-'));
    t.teardown(async () => rmSync(place, { recursive: true }));
    // Beside each other: Node looks for packages further up as well.
    const [checkout, guest] = [join(place, 'checkout'), join(place, 'guest')];
    mkdirSync(checkout);
    mkdirSync(guest);
    for (const name of ['Vagrantfile', 'package-lock.json']) cpSync(join(root, name), join(checkout, name));
    symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'));
    await execa('ruby', ['-e', recorder, join(checkout, 'Vagrantfile')]);
    for (const name of ['head', 'delivery', 'shared', 'infra', 'package.json'])
      cpSync(join(root, name), join(guest, name), { recursive: true });
    // Links where they can be: the files are the same ones.
    const copy = 'cp -al "$1" "$2" 2>/dev/null || { rm -rf "$2/node_modules"; cp -a "$1" "$2"; }';
    await execa('sh', ['-c', copy, 'sh', join(root, 'node_modules'), guest]);
    const unneeded = readFileSync(join(checkout, '.vagrant/baton/unneeded'), 'utf8').trim().split('\n');
    for (const path of unneeded.filter((line) => line.startsWith('/node_modules/')))
      rmSync(join(guest, path), { recursive: true, force: true });
    t.true(existsSync(join(guest, 'node_modules/node/bin/node')));
    for (const name of ['typescript', '@biomejs/biome', 'ava', 'playwright-core'])
      t.false(existsSync(join(guest, 'node_modules', name)), name);
    const runs = async (...args: string[]) => {
      const { exitCode, stderr } = await execa(process.execPath, args, {
        cwd: guest,
        input: '',
        reject: false,
      });
      t.is(exitCode, 0, `${args.join(' ')}: ${stderr}`);
    };
    await runs('infra/live/visitors/visitors-main.ts');
    await runs('infra/lab/environment-main.ts');
    for (const verb of ['head', 'delivery', 'visit', 'doctor'])
      await runs('infra/cli/main.ts', verb, '--help');
  },
);
