/**
 * Every error that Baton raises on purpose, in one catalogue. A code is stable: programs and tests may rely on it.
 * Each entry says whose fault it is, whether the same call can succeed later without a change, and one line for
 * a person that says what to do.
 */
import { harmless } from './harmless.ts';

/** Who has to change something: the person at the command line, the client, head, delivery, or the kernel's set-up. */
export type Fault = 'user' | 'client' | 'head' | 'delivery' | 'kernel';

interface Entry {
  readonly fault: Fault;
  readonly retry: boolean;
  /** Exit code when this ends a command: 1 failed, 2 wrong usage, 3 a threshold was crossed. */
  readonly exit: 1 | 2 | 3;
  /** `{name}` is replaced by the detail of that name. */
  readonly text: string;
}

const catalogue = {
  USAGE: { fault: 'user', retry: false, exit: 2, text: '{problem}' },
  BAD_OPTION: { fault: 'user', retry: false, exit: 2, text: '{option}: {problem} (got {value})' },
  UNKNOWN_OPTION: {
    fault: 'user',
    retry: false,
    exit: 2,
    text: '{where}: there is no setting called "{key}"; the settings are {known}',
  },
  UNKNOWN_MODE: {
    fault: 'user',
    retry: false,
    exit: 2,
    text: 'there is no mode "{mode}"; the modes are {known}',
  },
  UNKNOWN_DELIVERY: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: 'no delivery called "{name}" is registered; registered: {known}',
  },
  UNKNOWN_EXPERIMENT: {
    fault: 'user',
    retry: false,
    exit: 2,
    text: 'there is no experiment "{name}"; the experiments are {known}',
  },
  CONFIG_UNREADABLE: {
    fault: 'user',
    retry: false,
    exit: 2,
    text: 'cannot read the configuration file {file}: {problem}',
  },
  LAB_FILE: { fault: 'user', retry: false, exit: 2, text: '{where}: {problem}' },
  NOTHING_TO_RELOAD: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: 'the head was started without --config and without --tls-certificate: there is nothing that it could read again',
  },
  PORT_IN_USE: {
    fault: 'user',
    retry: true,
    exit: 1,
    text: '{address} is already taken by another program; stop it or choose another address with {option}',
  },
  ADDRESS_UNAVAILABLE: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: '{address} is not an address of this machine ({problem}); choose another with {option}',
  },
  PORT_FORBIDDEN: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: '{address} may not be opened without privileges; choose a port above 1023 or grant CAP_NET_BIND_SERVICE',
  },
  SOCKET_IN_USE: {
    fault: 'user',
    retry: true,
    exit: 1,
    text: 'another process is listening on {path}; stop it or choose another path with {option}',
  },
  SOCKET_NOT_A_SOCKET: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: '{path} exists and is not a socket; it was left alone: move it away or choose another path with {option}',
  },
  SOCKET_UNUSABLE: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: 'cannot use the socket path {path}: {problem}',
  },
  INHERITED_UNUSABLE: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: 'the head cannot go on with {what}: {problem}',
  },
  TAKE_OVER_FAILED: { fault: 'head', retry: true, exit: 1, text: 'the head was not taken over: {problem}' },
  TAKE_OVER_REFUSED: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: 'the running head cannot be taken over: {problem}',
  },
  FD_LIMIT: {
    fault: 'kernel',
    retry: false,
    exit: 1,
    text: 'the limit on open files is {limit}, and {need} are needed; raise it (ulimit -n {need}) or lower {option}',
  },
  NOT_RUNNING: {
    fault: 'user',
    retry: true,
    exit: 1,
    text: 'no head answers at {path}; start one with "baton head", or name its socket with --socket',
  },
  HEAD_REFUSED: { fault: 'user', retry: false, exit: 1, text: 'the head refused this delivery: {reason}' },
  HEAD_FULL: {
    fault: 'head',
    retry: true,
    exit: 1,
    text: 'the head has {limit} deliveries, its limit; stop one of them',
  },
  HEAD_FORBIDDEN: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: 'the head at {path} is of user {uid}, and this delivery of user {own}; run it as that user or root, or let the head allow its group with --group',
  },
  NOT_A_HEAD: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: "{path} is {found} and no socket for deliveries; name the head's with {option}",
  },
  NAME_TAKEN: {
    fault: 'user',
    retry: true,
    exit: 1,
    text: 'a delivery called "{name}" (pid {pid}) is already registered; choose another --name',
  },
  VERSION_MISMATCH: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: 'the head speaks protocol version {head} and the delivery version {delivery}; run the same release on both',
  },
  PEER_FORBIDDEN: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: 'process {pid} of user {uid} tried to register; only user {own} and root may: run it as that user, or give the head a --group that both are in',
  },
  PROTOCOL: { fault: 'delivery', retry: false, exit: 1, text: 'the peer broke the protocol: {problem}' },
  APP_UNUSABLE: {
    fault: 'user',
    retry: false,
    exit: 2,
    text: '{file} cannot be used as an application: {problem}',
  },
  CERTIFICATE_UNUSABLE: {
    fault: 'user',
    retry: false,
    exit: 2,
    text: 'cannot use {file}: {problem}; a certificate and its key are needed, both in PEM',
  },
  SECRET_UNUSABLE: {
    fault: 'user',
    retry: false,
    exit: 2,
    text: 'the secret file {file} {problem}; run: {fix}',
  },
  LINK_FAILED: {
    fault: 'head',
    retry: true,
    exit: 1,
    text: 'no link to the head at {address}: {problem}',
  },
  LINK_REFUSED: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: 'no link to the head at {address}: {problem}; give both sides the same --secret',
  },
  MISSING_TOOL: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: '{tool} is needed for this; install it: {fix}',
  },
  MISSING_PART: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: '{part} is needed for this and comes on request, as all that only labs and visits need; run: {fix}',
  },
  NO_PRIVILEGE: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: '{what} needs {capability} ({problem}); run it as root',
  },
  VIP_MISSING: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: 'the shared address {vip} is not one of this host; run: {fix}',
  },
  NO_INTERFACE: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: 'there is no network interface "{interface}"; "ip link" lists those there are',
  },
  NO_BPFFS: {
    fault: 'kernel',
    retry: false,
    exit: 1,
    text: 'no BPF file system at {path} and none could be mounted ({problem}); run: mount -t bpf bpf {path}',
  },
  STEERING_FULL: {
    fault: 'head',
    retry: true,
    exit: 1,
    text: 'the steering table holds {capacity} flows, its limit; migrate fewer at once or attach with a larger one',
  },
  STEERING_FOREIGN: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: '{interface} has a filter at pref {pref} that is not of this release ({found}); remove it with: tc filter del dev {interface} ingress pref {pref}',
  },
  STEERING_IN_USE: {
    fault: 'user',
    retry: true,
    exit: 1,
    text: 'the head of process {pid} steers on {interface}; stop it first, it removes its steering when no connection needs it',
  },
  STEERING_FAILED: {
    fault: 'kernel',
    retry: false,
    exit: 1,
    text: 'cannot steer on {interface}: {problem}',
  },
  NOT_ON_SEGMENT: {
    fault: 'user',
    retry: false,
    exit: 1,
    text: '{address} cannot be steered to: {problem}; head and delivery must share a layer-2 segment',
  },
  LAB_FAILED: { fault: 'head', retry: true, exit: 1, text: '{problem}' },
  NO_VISIT_SUCCEEDED: {
    fault: 'user',
    retry: true,
    exit: 1,
    text: 'every visit failed ({failures}); see what answers there: curl -i {url}',
  },
  LIMIT_EXCEEDED: { fault: 'user', retry: false, exit: 3, text: '{problem}' },
  CALL_FAILED: { fault: 'kernel', retry: false, exit: 1, text: '{call} failed: {errno} {problem}' },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof catalogue;
export const errorCatalogue: Readonly<Record<ErrorCode, Entry>> = catalogue;

/** An error of the catalogue. `message` is one line for a person; `code`, `fault` and `retry` are for programs. */
export class BatonError extends Error {
  readonly code: ErrorCode;
  readonly fault: Fault;
  readonly retry: boolean;
  readonly exitCode: number;
  readonly details: Readonly<Record<string, string | number>>;

  constructor(code: ErrorCode, details: Record<string, string | number> = {}, cause?: unknown) {
    const entry = catalogue[code];
    const text = entry.text.replace(/\{(\w+)\}/g, (_, key: string) => String(details[key] ?? '?'));
    // Others' messages, as those of JSON.parse, quote what they found with its line ends, and whatever else was in it.
    const message = harmless(text.replace(/\s*[\r\n]\s*/g, ' '));
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'BatonError';
    this.code = code;
    this.fault = entry.fault;
    this.retry = entry.retry;
    this.exitCode = entry.exit;
    this.details = details;
  }
}
