import { type Check, lacking, ok, type Role, unknown, warning } from '../check.ts';
import type { Machine } from '../machine.ts';

/** linux/capability.h. */
const numbers = {
  CAP_NET_BIND_SERVICE: 10,
  CAP_NET_ADMIN: 12,
  CAP_SYS_ADMIN: 21,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;
type Capability = keyof typeof numbers;

/**
 * A head steers: it loads BPF programs. CAP_SYS_ADMIN has in it what else that takes; without CAP_PERFMON the verifier of
 * Linux 6.1 refuses the program, that of 6.18 does not.
 */
const neededBy = (role: Role): readonly Capability[] =>
  role === 'head' ? ['CAP_NET_ADMIN', 'CAP_BPF', 'CAP_PERFMON'] : ['CAP_NET_ADMIN'];
const inSysAdmin: readonly Capability[] = ['CAP_BPF', 'CAP_PERFMON'];

export const capabilities: Check = {
  name: 'privileges',
  for: ['head', 'delivery'],
  examine(machine, _asked, role) {
    const held = heldBy(machine);
    if (held === undefined) return unknown('/proc/self/status does not tell');
    const has = (capability: Capability) =>
      held(capability) || (inSysAdmin.includes(capability) && held('CAP_SYS_ADMIN'));
    const missing = neededBy(role).filter((capability) => !has(capability));
    if (missing.length > 0)
      return lacking(`without ${missing.join(' and ')} (user ${machine.uid})`, fixFor(machine, role));
    const firstFree = machine.setting('net/ipv4/ip_unprivileged_port_start') ?? 1024;
    if (role === 'delivery' && !held('CAP_NET_BIND_SERVICE') && firstFree > 1)
      return warning(
        `without CAP_NET_BIND_SERVICE: connections to ports below ${firstFree} are refused`,
        fixFor(machine, role),
      );
    if (role === 'delivery' && !has('CAP_BPF'))
      return warning(
        'without CAP_BPF: connections that have sent before they move here begin with the window of a new one',
        fixFor(machine, role),
      );
    return ok(neededBy(role).join(' and '));
  },
};

function heldBy(machine: Machine): ((capability: Capability) => boolean) | undefined {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(machine.read('/proc/self/status') ?? '')?.[1];
  if (effective === undefined) return undefined;
  const mask = BigInt(`0x${effective}`);
  return (capability) => (mask & (1n << BigInt(numbers[capability]))) !== 0n;
}

/** What a delivery needs can be given to any user; a head also needs a place of its own in the BPF file system. */
function fixFor({ uid, gid }: Machine, role: Role): string {
  if (uid === 0)
    return `give its container or service CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_BPF and CAP_PERFMON`;
  if (role === 'head') return 'start it as root';
  const given = '+net_admin,+net_bind_service,+bpf';
  const user = `--reuid ${uid} --regid ${gid} --init-groups`;
  return `start it as root, or after: sudo setpriv ${user} --inh-caps ${given} --ambient-caps ${given}`;
}
