/** Other programs on a host of a lab, to hold Baton against: HAProxy and nginx, each with nothing but its own configuration. */
import { BatonError } from '../../../shared/errors.ts';
import { formatHostPort, parseHostPort } from '../../../shared/units.ts';
import type { Host, Service } from '../../lab/lab.ts';

export interface RivalKind {
  readonly name: string;
  /** The Debian package that brings it. */
  readonly package: string;
  /** Prints what it is. */
  readonly version: readonly string[];
  /** Shell that becomes it: `$1` is a folder of its own, with its configuration in `$1/conf`. */
  readonly start: string;
  /** The whole configuration, for what it does with connections. */
  configure(folder: string, body: string): string;
}

export const haproxy: RivalKind = {
  name: 'HAProxy',
  package: 'haproxy',
  version: ['haproxy', '-v'],
  start: 'exec haproxy -db -f "$1/conf"',
  configure: (_, body) => `global
  nbthread 1
  maxconn 8192
defaults
  timeout connect 5s
  timeout client 60s
  timeout server 60s
${body}
`,
};

export const nginx: RivalKind = {
  name: 'nginx',
  package: 'nginx-light libnginx-mod-stream',
  version: ['nginx', '-v'],
  start: 'exec nginx -p "$1" -c "$1/conf" -e "$1/log"',
  // Debian builds the stream module apart; elsewhere it is a part of nginx.
  configure: (folder, body) => `daemon off; master_process off; worker_processes 1;
pid ${folder}/pid; error_log ${folder}/log;
include ${folder}/modules;
events { worker_connections 8192; multi_accept on; }
stream {
${body}
}
`,
};

export interface Rival {
  readonly address: string;
  /** SIGKILL, and another one at the same address so long after. */
  killAndRestart(awayMs: number): Promise<void>;
  stop(): Promise<void>;
}

/** Where Debian has daemons, which not everybody's PATH has. */
export const IN_PATH = 'PATH="$PATH:/usr/sbin:/sbin"; ';

const MODULES = `${IN_PATH}f=/usr/lib/nginx/modules/ngx_stream_module.so
[ -e $f ] && echo "load_module $f;" > "$1/modules" || : > "$1/modules"`;

/** The first line that it says of itself; undefined where it is not installed. */
export async function versionOn(host: Host, command: readonly string[]): Promise<string | undefined> {
  // Some say it on their standard error, and others complain there.
  const script = `${IN_PATH}command -v "$1" >/dev/null || exit 0
said=$("$@" 2>/dev/null | head -n 1); [ -n "$said" ] || said=$("$@" 2>&1 | head -n 1); echo "$said"`;
  const text = (await host.run(['sh', '-c', script, 'sh', ...command])).trim();
  return text === '' ? undefined : text;
}

/** Starts it at a free port of `at`. `body`: what its configuration says beside what all have, for such an address. */
export async function startRival(
  host: Host,
  kind: RivalKind,
  at: string,
  body: (address: string) => string,
): Promise<Rival> {
  const folder = (await host.run(['mktemp', '-d'])).trim();
  const address = formatHostPort({ host: at, port: await freePort(host, at) });
  let running: Service | undefined;
  async function stop(): Promise<void> {
    await running?.stop();
    await host.run(['rm', '-rf', folder]);
  }
  async function start(): Promise<void> {
    // It says nothing when it is ready; the line is for whoever starts it.
    running = await host.start(['sh', '-c', `${IN_PATH}echo '{}'; ${kind.start}`, 'sh', folder]);
    await untilListening(host, kind.name, address);
  }
  try {
    const write = `printf %s "$2" > "$1/conf"; ${MODULES}`;
    await host.run(['sh', '-c', write, 'sh', folder, kind.configure(folder, body(address))]);
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    address,
    async killAndRestart(awayMs) {
      await running!.kill();
      await new Promise((resolve) => setTimeout(resolve, awayMs));
      await start();
    },
    stop,
  };
}

const FREE_PORT = `const s = require('node:net').createServer().listen(0, process.argv[1], () => {
  console.log(s.address().port); s.close(); });`;

/** One that was free a moment ago: neither of them can be asked which one the kernel picked. */
export const freePort = async (host: Host, at: string): Promise<number> =>
  Number(await host.run([process.execPath, '-e', FREE_PORT, at]));

const LISTENING_WITHIN_MS = 10_000;
const UNTIL_LISTENING = `const [host, port, within] = process.argv.slice(1);
const end = performance.now() + Number(within);
(function tryIt() {
  const socket = require('node:net').connect(port, host, () => { console.log('yes'); socket.destroy(); });
  socket.on('error', () => performance.now() < end && setTimeout(tryIt, 20));
})();`;

export async function untilListening(host: Host, name: string, address: string): Promise<void> {
  const { host: at, port } = parseHostPort(address)!;
  const said = await host.run([
    ...[process.execPath, '-e', UNTIL_LISTENING, at, String(port)],
    String(LISTENING_WITHIN_MS),
  ]);
  if (said.trim() === '')
    throw new BatonError('LAB_FAILED', { problem: `${name} did not listen at ${address}` });
}
