/** Sockets that this thread makes from now on, and processes that it starts, are in another network namespace (setns(2)). */
import { closeSync, openSync } from 'node:fs';
import { check, libc } from '../../shared/sys/libc.ts';

const setns = libc.func('int setns(int, int)');
const CLONE_NEWNET = 0x40000000;

/** A test file is a thread of its own: the others stay where they are. */
export function enterNamespace(name: string): void {
  const fd = openSync(`/run/netns/${name}`, 'r');
  try {
    check('setns', setns(fd, CLONE_NEWNET));
  } finally {
    closeSync(fd);
  }
}
