/** Runs on a host of a test's network and does what lines of JSON on its standard input say: see `startAgent`. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import {
  attachSteering,
  type Flow,
  keyOf,
  type NextHop,
  resolveNextHop,
  type Steering,
  type SteeringOptions,
} from '../../head/steer/index.ts';

// Not execa, whose parts take longer to load than all others here.
const run = promisify(execFile);

let steering: Steering | undefined;
const servers: Server[] = [];
const sockets: { socket: Socket; input: string; error: string }[] = [];

const calls = {
  async attach(interfaceName: string, options?: SteeringOptions) {
    steering = await attachSteering(interfaceName, options);
    const { adopted, capacity, path } = steering;
    return { adopted, capacity, path };
  },
  hold: (flow: Flow, forMs?: number) => steering!.hold(keyOf(flow), forMs),
  forward: (flow: Flow, hop: NextHop) => steering!.forward(keyOf(flow), hop),
  forget: (flow: Flow) => steering!.forget(keyOf(flow)),
  holdUnknown(host: string, port: number, forMs: number, inMs = 0) {
    const at = (ms: number) => process.hrtime.bigint() + BigInt(Math.round(ms * 1e6));
    steering!.holdUnknown({ server: { host, port }, fromNanos: at(inMs), untilNanos: at(inMs + forMs) });
  },
  unknownHeld: () => steering!.unknownHeld,
  list: () => steering!.list(),
  count: () => steering!.count(),
  detach: () => steering!.detach(),
  close: () => steering!.close(),
  resolve: (address: string, withinMs?: number) => resolveNextHop(address, withinMs),

  /** Microseconds of CPU that one update takes, over `rounds` of hold, forward and forget. */
  updateCost(host: string, rounds: number, hop: NextHop) {
    const server = { host, port: 80 };
    const flows = Array.from({ length: rounds }, (_, i) =>
      keyOf({ client: { host, port: 1024 + (i % 50_000) }, server }),
    );
    const before = process.cpuUsage();
    for (const flow of flows) {
      steering!.hold(flow);
      steering!.forward(flow, hop);
      steering!.forget(flow);
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / (3 * rounds);
  },

  /** A TCP server that sends everything back. */
  async echo(host: string, port: number) {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.pipe(socket);
    });
    servers.push(server.listen(port, host));
    await once(server, 'listening');
  },
  /** The index of a new connection, and its port. Rejects when it cannot be made. */
  async connect(host: string, port: number, localPort?: number) {
    const socket = connect({ host, port, ...(localPort === undefined ? {} : { localPort }) });
    const entry = { socket, input: '', error: '' };
    await once(socket, 'connect');
    socket.setEncoding('utf8').on('data', (text: string) => {
      entry.input += text;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      entry.error = error.code ?? error.message;
    });
    return { index: sockets.push(entry) - 1, host: socket.localAddress!, port: socket.localPort! };
  },
  send: (index: number, text: string) => void sockets[index]!.socket.write(text),
  /** All that has come so far, and the error that ended it. */
  received: (index: number) => ({ input: sockets[index]!.input, error: sockets[index]!.error }),
  /** Ends it without FIN. */
  reset: (index: number) => void sockets[index]!.socket.resetAndDestroy(),

  /** `count` small UDP packets, `perSecond`, each with its number. */
  async send5555(host: string, count: number, perSecond: number) {
    const script = `
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
count, rate = int(sys.argv[2]), int(sys.argv[3])
def send(i): s.sendto(i.to_bytes(4, 'big') + bytes(200), (sys.argv[1], 5555))
send(2**32 - 1)  # finds the neighbour
time.sleep(0.3)
began = time.monotonic()
for i in range(count):
    early = began + i / rate - time.monotonic()
    if early > 0: time.sleep(early)
    send(i)`;
    await run('python3', ['-c', script, host, String(count), String(perSecond)]);
  },

  /** Puts frames onto the wire as they are. */
  async sendFrames(...frames: string[]) {
    const script = `
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0))
for f in sys.argv[1:]: s.send(bytes.fromhex(f))`;
    await run('python3', ['-c', script, ...frames]);
  },

  shell: async (command: string) => (await run('sh', ['-c', command])).stdout.trimEnd(),
  pins: () => readdirSync('/sys/fs/bpf').filter((name) => !name.endsWith('.debug')),
  sleep: (ms: number) => delay(ms),
};
export type Calls = typeof calls;

// It is killed, and the next one would have to compile all of it again.
flushCompileCache();

const input = createInterface({ input: process.stdin });
input.on('line', async (line) => {
  const { id, name, args } = JSON.parse(line);
  try {
    const call = calls[name as keyof Calls] as (...args: unknown[]) => unknown;
    process.stdout.write(`${JSON.stringify({ id, result: await call(...args) })}\n`);
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    process.stdout.write(`${JSON.stringify({ id, error: { message, code } })}\n`);
  }
});
input.on('close', () => process.exit(0));
