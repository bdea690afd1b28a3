/**
 * `node heads.ts PATH`: lends heads to the servers of a suite, over a SEQPACKET socket at PATH. A connection asks for one
 * head with one message, gets its address, and has it until the connection ends: then the head stops, so that a port
 * refuses as soon as its server has closed or its process is gone; or it is lent again, to a suite that starts more
 * servers than heads could be started for. Some heads are ready before anybody asks, because a
 * server's `listen()` waits for its own. Prints one line of JSON when it is ready, and ends on SIGTERM.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Head, startHead } from '../../head/index.ts';
import { BatonError } from '../../shared/errors.ts';
import { createFdMessenger } from '../../shared/sys/pass-fds.ts';
import { type Readiness, watchReadable } from '../../shared/sys/readiness.ts';
import { acceptNonBlocking, closeFd } from '../../shared/sys/sockets.ts';
import { listenUnix } from '../../shared/sys/unix-sockets.ts';
import { formatHostPort, parseHostPort } from '../../shared/units.ts';
import { type Granted, LEASE_MESSAGE_MAX, type Refused, type Wanted } from './lease.ts';

/** Where a server listens that names no host, and where one that names this host: so many heads of each are ready. */
const READY = { '::': 4, '127.0.0.1': 2 } as const;
/** Where there is no IPv6, Node's servers listen here instead. */
const WILDCARD_V4 = '0.0.0.0';

/** A head that is lent again is so this often: it remembers every delivery that it has had for a while. */
const USES = 30;
const LEAVE_WITHIN_MS = 1000;
const LOOK_EVERY_MS = 5;

const directory = await mkdtemp(join(tmpdir(), 'baton-heads-'));
const messenger = createFdMessenger(LEASE_MESSAGE_MAX);
let started = 0;

function start(host: string, port: number): Promise<Head> {
  const head = startHead({
    listen: formatHostPort({ host, port }),
    socket: join(directory, `${started++}.sock`),
    workers: 1,
  });
  // Whoever asked hears of a failure to start; a head that fails later is a fault that no test may hide.
  head
    .then(({ listen, ended }) =>
      ended.catch((error) => fail(`the head at ${listen} failed: ${error.message}`)),
    )
    .catch(() => {});
  return head;
}

const ready = new Map<string, Promise<Head>[]>();
for (const [host, count] of Object.entries(READY))
  ready.set(
    host,
    Array.from({ length: count }, () => start(host, 0)),
  );

/** Heads that stop, by port. */
const stopping = new Map<number, Promise<void>>();

async function headFor({ host, port }: Wanted): Promise<Head> {
  // A server may listen where another of its process has just closed, as it may without a head.
  await stopping.get(port);
  const spare = port === 0 ? ready.get(host ?? '::') : undefined;
  try {
    const head = spare?.shift() ?? start(host ?? '::', port);
    if (spare && spare.length < READY[(host ?? '::') as keyof typeof READY])
      spare.push(start(host ?? '::', 0));
    return await head;
  } catch (error) {
    const noIpv6 = error instanceof BatonError && error.code === 'ADDRESS_UNAVAILABLE' && host === null;
    if (!noIpv6) throw error;
    return await start(WILDCARD_V4, port);
  }
}

const uses = new Map<Head, number>();

/** Has it lent again, once it has forgotten its last server; or stops it. */
async function giveBack(head: Head, { host, port, again }: Wanted): Promise<void> {
  const times = (uses.get(head) ?? 0) + 1;
  uses.set(head, times);
  const spare = port === 0 ? ready.get(host ?? '::') : undefined;
  const until = performance.now() + LEAVE_WITHIN_MS;
  if (again && spare && times < USES) {
    const isFree = () => head.status().deliveries.every(({ state }) => state === 'down');
    while (!isFree() && performance.now() < until) await delay(LOOK_EVERY_MS);
    if (isFree()) return void spare.unshift(Promise.resolve(head));
  }
  uses.delete(head);
  const at = parseHostPort(head.listen)!.port;
  const stopped = Promise.race([head.stop(), delay(LEAVE_WITHIN_MS)]).catch(() => {});
  stopping.set(at, stopped);
  await stopped;
  if (stopping.get(at) === stopped) stopping.delete(at);
}

class Lease {
  readonly #fd: number;
  readonly #readable: Readiness;
  #wanted: Wanted | undefined;
  #head: Promise<Head> | undefined;

  constructor(fd: number) {
    this.#fd = fd;
    this.#readable = watchReadable(fd, () => this.#onReadable());
  }

  #onReadable(): void {
    const n = messenger.receive(this.#fd);
    if (n <= 0 || this.#head) return this.#end();
    void this.#grant(JSON.parse(messenger.bytes.toString('utf8', 0, n)) as Wanted);
  }

  async #grant(wanted: Wanted): Promise<void> {
    this.#wanted = wanted;
    this.#head = headFor(wanted);
    let answer: Granted | Refused;
    try {
      const { listen, socket } = await this.#head;
      answer = { ...parseHostPort(listen)!, socket };
    } catch (error) {
      answer = { problem: (error as Error).message };
    }
    const length = messenger.bytes.write(JSON.stringify(answer));
    messenger.send(this.#fd, length, 0);
  }

  #end(): void {
    this.#readable.close();
    closeFd(this.#fd);
    this.#head?.then((head) => giveBack(head, this.#wanted!)).catch(() => {});
  }
}

/** What goes wrong in one head must not take those of other tests with it; the run fails for it when it ends. */
function fail(problem: string): void {
  console.error(problem);
  process.exitCode = 1;
}
process.on('uncaughtException', (error) => fail(`a head threw: ${error.stack}`));

async function end(): Promise<void> {
  try {
    // A head that is being started may make its socket meanwhile.
    await rm(directory, { recursive: true, force: true, maxRetries: 10 });
    await rm(path, { force: true });
  } finally {
    process.exit();
  }
}

const path = process.argv[2]!;
const listener = listenUnix(path, 'seqpacket', 64);
watchReadable(listener, () => {
  const fd = acceptNonBlocking(listener);
  if (fd >= 0) new Lease(fd);
});
process.once('SIGTERM', end);
console.log(JSON.stringify({ path }));
