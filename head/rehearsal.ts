/**
 * A registration that nobody sees, before a successor is ready: visitors wait for the deliveries' registrations, and what they run would
 * be compiled meanwhile. (Measured: a first registration took the main thread 5 to 10 ms, the next ones 1.)
 */
import type { HeadSettings } from '../shared/config.ts';
import { createLogger } from '../shared/log.ts';
import { createFdMessenger } from '../shared/sys/pass-fds.ts';
import { watchReadable } from '../shared/sys/readiness.ts';
import { closeFd } from '../shared/sys/sockets.ts';
import { seqpacketPair } from '../shared/sys/unix-sockets.ts';
import { trace } from '../shared/trace.ts';
import {
  CONTROL_MESSAGE_MAX,
  decodeFromHead,
  encodeControl,
  PROTOCOL_VERSION,
} from '../shared/wire/control.ts';
import { Drained } from './drained.ts';
import { LocalDelivery } from './local-delivery.ts';
import { Registry } from './registry.ts';
import { createScoreboardMemory, Scoreboard, WorkerCounters } from './scoreboard.ts';
import type { ToWorker } from './worker-messages.ts';

/** A slow machine goes on without, milliseconds. */
const AT_MOST_MS = 500;
const TIMES = 3;

const HELLO = {
  type: 'hello',
  version: PROTOCOL_VERSION,
  name: 'rehearsal',
  pid: process.pid,
  credits: 1,
  weight: 1,
  direct: '127.0.0.1:1',
  active: 0,
} as const;

/** With a registry and a scoreboard of its own. */
export async function rehearseRegistration({ socket = '', forgetAfter }: HeadSettings): Promise<void> {
  // A trace has what happens to deliveries, and this is none.
  if (trace) return;
  const memory = createScoreboardMemory(1);
  const log = createLogger('rehearsal');
  log.level = 'silent';
  const registry: Registry = new Registry({
    scoreboard: new Scoreboard(memory),
    rows: [new WorkerCounters(memory, 0)],
    tell: (_, message) => queueMicrotask(() => playWorker(registry, message)),
    times: { stallTimeoutMs: 60_000, forgetAfterMs: forgetAfter },
    drained: new Drained(socket, log),
    onUp: () => {},
    onChange: () => {},
    log,
  });
  try {
    for (let n = 0; n < TIMES; n++) await register(registry, log);
  } finally {
    registry.close();
  }
}

/** Of a worker's part only what the registry waits for. */
function playWorker(registry: Registry, message: ToWorker): void {
  if (message.type === 'leave') registry.onWorker({ type: 'left', slot: message.slot, moved: 0 });
  if (message.type !== 'join' || message.lane.transport !== 'fd') return;
  closeFd(message.lane.ends.head);
  // What is welcomed with it must be there.
  setImmediate(closeFd, message.lane.ends.delivery);
  registry.onWorker({ type: 'joined', slot: message.slot });
}

async function register(
  registry: Registry,
  log: ConstructorParameters<typeof LocalDelivery>[3],
): Promise<void> {
  const [head, delivery] = seqpacketPair();
  const peer = new LocalDelivery(head, process.pid, registry, log, () => {});
  const messenger = createFdMessenger(CONTROL_MESSAGE_MAX);
  const bytes = encodeControl(HELLO);
  messenger.bytes.set(bytes);
  messenger.send(delivery, bytes.length, 0);
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, AT_MOST_MS);
  const ready = watchReadable(delivery, () => {
    const n = messenger.receive(delivery);
    for (const fd of messenger.fds.subarray(0, n > 0 ? messenger.received : 0)) closeFd(fd);
    if (n > 0) decodeFromHead(messenger.bytes.subarray(0, n));
    resolve();
  });
  await promise;
  clearTimeout(timer);
  ready.close();
  closeFd(delivery);
  peer.cutOff('the rehearsal is over');
}
