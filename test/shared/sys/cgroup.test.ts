/** Where a cgroup of version 2 is shown, by what /proc says of mounts. */
import test from 'ava';
import { findMounted } from '../../../shared/sys/cgroup.ts';

const mount = (root: string, at: string, kind = 'cgroup2 cgroup2 rw') =>
  `30 24 0:26 ${root} ${at} rw,nosuid shared:9 - ${kind}\n`;

test('a cgroup is found under the mount that shows it', (t) => {
  const usual = mount('/', '/sys/fs/cgroup');
  t.is(findMounted('/system.slice/baton.service', usual), '/sys/fs/cgroup/system.slice/baton.service');
  t.is(findMounted('/', usual), '/sys/fs/cgroup/');
});

test('a container that is shown a part of the tree finds itself in it, or not at all', (t) => {
  const part = mount('/docker/abc', '/sys/fs/cgroup');
  t.is(findMounted('/docker/abc', part), '/sys/fs/cgroup');
  t.is(findMounted('/docker/abc/worker', part), '/sys/fs/cgroup/worker');
  t.is(findMounted('/docker/abcd', part), undefined);
  t.is(findMounted('/', part), undefined);
});

test('other kinds of mounts, and none at all, are no place; what is written in octal is read', (t) => {
  t.is(findMounted('/a', mount('/', '/sys/fs/cgroup/memory', 'cgroup cgroup rw,memory')), undefined);
  t.is(findMounted('/a', ''), undefined);
  t.is(findMounted('/a', mount('/', '/a\\040b')), '/a b/a');
  t.is(findMounted('/a', mount('/', '/x', 'cgroup none rw') + mount('/', '/y')), '/y/a');
});
