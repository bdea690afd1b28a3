/** The control group, of version 2, that this process is in (cgroups(7)). */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { check, libc } from './libc.ts';

const syscall = libc.func('long syscall(long, ...)');
/** include/uapi/asm-generic/unistd.h: the same on every machine (Linux 5.2). */
const SYS_fsopen = 430;
const SYS_fsconfig = 431;
const SYS_fsmount = 432;
const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_CMD_CREATE = 6;

/** An fd of its folder, for attachSockOps; undefined where the kernel has none for us. Throws where we may not have one. */
export function openOwnCgroup(): number | undefined {
  const path = pathIn(readFileSync('/proc/self/cgroup', 'utf8'));
  if (path === undefined) return undefined;
  const folder = findMounted(path, readFileSync('/proc/self/mountinfo', 'utf8'));
  if (folder !== undefined) return openSync(folder, 'r');
  // Nobody shows it here (`ip netns exec` hides what is below /sys), so we look at a mount of our own, which has no place.
  const mount = mountNowhere();
  try {
    return openSync(`/proc/self/fd/${mount}${path}`, 'r');
  } finally {
    closeSync(mount);
  }
}

/** Seen from the root of our cgroup namespace, as new mounts are. */
function pathIn(membership: string): string | undefined {
  return /^0::(\/.*)$/m.exec(membership)?.[1];
}

/** /proc/PID/mountinfo writes what would end a field in octal (proc(5)). */
const unescaped = (field: string): string =>
  field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** Where a cgroup is in the file system; undefined where no mount shows it. */
export function findMounted(path: string, mountinfo: string): string | undefined {
  for (const line of mountinfo.split('\n')) {
    const [fields = '', kind = ''] = line.split(' - ');
    if (!kind.startsWith('cgroup2 ')) continue;
    const [, , , root = '', at = ''] = fields.split(' ').map(unescaped);
    // A container may be shown a part of the tree.
    if (root === '/') return `${at}${path}`;
    if (path === root || path.startsWith(`${root}/`)) return `${at}${path.slice(root.length)}`;
  }
  return undefined;
}

/** Takes CAP_SYS_ADMIN. */
function mountNowhere(): number {
  const fs = check(
    'fsopen(cgroup2)',
    Number(syscall(SYS_fsopen, 'str', 'cgroup2', 'unsigned int', FSOPEN_CLOEXEC)),
  );
  try {
    check(
      'fsconfig(cgroup2)',
      Number(
        syscall(
          SYS_fsconfig,
          ...['int', fs, 'unsigned int', FSCONFIG_CMD_CREATE],
          ...['intptr_t', 0, 'intptr_t', 0, 'int', 0],
        ),
      ),
    );
    const mount = syscall(SYS_fsmount, 'int', fs, 'unsigned int', FSMOUNT_CLOEXEC, 'unsigned int', 0);
    return check('fsmount(cgroup2)', Number(mount));
  } finally {
    closeSync(fs);
  }
}
