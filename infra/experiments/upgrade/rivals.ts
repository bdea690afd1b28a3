/** HAProxy, nginx and node:cluster on the head's host of a lab, each replaced in the ways that it has. */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatHostPort } from '../../../shared/units.ts';
import type { Host, Service } from '../../lab/lab.ts';
import { freePort, IN_PATH, untilListening } from '../kit/rivals.ts';

/** What is replaced again and again. */
export interface Replaced {
  readonly address: string;
  replace(): Promise<void>;
  /** Processes that are there by now. */
  processes(): Promise<number>;
  stop(): Promise<void>;
}

/** Where it listens, and to whom it passes everything on. */
interface Place {
  readonly host: Host;
  readonly at: string;
  readonly servers: readonly string[];
}

const HAPROXY = (socket: string, address: string, servers: readonly string[]) => `global
  nbthread 1
  maxconn 8192
  ${socket}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
listen proxy
  bind ${address} backlog 4096
${servers.map((server, at) => `  server d${at} ${server}`).join('\n')}
`;

const NGINX = (folder: string, address: string, servers: readonly string[]) => `daemon on; worker_processes 1;
user root; pid ${folder}/pid; error_log ${folder}/log;
events { worker_connections 8192; multi_accept on; }
http {
  access_log off; keepalive_requests 1000000;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}
  map $http_upgrade $how { default upgrade; '' ''; }
  upstream nodes { ${servers.map((server) => `server ${server};`).join(' ')} keepalive 128; }
  server { listen ${address} backlog=4096; location / { proxy_pass http://nodes; proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $how; } }
}
`;

/** A folder of its own, with the configuration in it. */
async function folderWith(host: Host, configure: (folder: string) => string): Promise<string> {
  const folder = (await host.run(['mktemp', '-d'])).trim();
  await host.run(['sh', '-c', 'printf %s "$2" > "$1/conf"', 'sh', folder, configure(folder)]);
  return folder;
}

/** It says nothing when it is ready; the line is for whoever starts it. */
const start = (host: Host, shell: string, folder: string, ...more: string[]): Promise<Service> =>
  host.start(['sh', '-c', `${IN_PATH}echo '{}'; ${shell}`, 'sh', folder, ...more]);

const freeAddress = async ({ host, at }: Place): Promise<string> =>
  formatHostPort({ host: at, port: await freePort(host, at) });

/** Of the sessions that these processes lead, which all that they have started belongs to. */
async function count(host: Host, leaders: readonly number[]): Promise<number> {
  const text = await host.run(['sh', '-c', 'ps -o pid= -s "$1" || true', 'sh', leaders.join(',')]);
  return text.split('\n').filter((line) => line.trim() !== '').length;
}

/** \`-sf\`: the new process tells the old one to finish. \`passesFds\`: it gets its listeners from it (\`-x\`). */
export async function startHaproxy(place: Place, passesFds: boolean): Promise<Replaced> {
  const { host, servers } = place;
  const address = await freeAddress(place);
  const folder = await folderWith(host, (own) =>
    HAPROXY(
      passesFds ? `stats socket ${own}/socket mode 600 level admin expose-fd listeners` : '',
      address,
      servers,
    ),
  );
  const all = [await start(host, 'exec haproxy -db -f "$1/conf"', folder)];
  await untilListening(host, 'HAProxy', address);
  const follow = `exec haproxy -db -f "$1/conf" ${passesFds ? '-x "$1/socket" ' : ''}-sf "$2"`;
  return {
    address,
    async replace() {
      all.push(await start(host, follow, folder, String(all.at(-1)!.pid)));
    },
    processes: () =>
      count(
        host,
        all.map(({ pid }) => pid),
      ),
    async stop() {
      await Promise.all(all.map((service) => service.kill()));
      await host.run(['rm', '-rf', folder]);
    },
  };
}

const UPGRADE_NGINX = `kill -USR2 "$(cat "$1/pid")"
n=0; until [ -s "$1/pid.oldbin" ] && [ -s "$1/pid" ]; do n=$((n+1)); [ $n -lt 500 ] || exit 1; sleep 0.01; done
kill -QUIT "$(cat "$1/pid.oldbin")"`;
const KILL_SESSION = `pkill -KILL -s "$1" || true`;

/** \`HUP\`: the master starts new workers. \`USR2\`: it starts a new master, which gets the listeners, and is told to finish. */
export async function startNginx(place: Place, signal: 'HUP' | 'USR2'): Promise<Replaced> {
  const { host, servers } = place;
  const address = await freeAddress(place);
  const folder = await folderWith(host, (own) => NGINX(own, address, servers));
  // A daemon: nginx that is not heeds no USR2. The session that it leads is that of all that it starts.
  const daemon = `${IN_PATH}"$(command -v nginx)" -p "$1" -c "$1/conf" -e "$1/log" >/dev/null 2>&1; cat "$1/pid"`;
  const session = Number(await host.run(['sh', '-c', daemon, 'sh', folder]));
  await untilListening(host, 'nginx', address);
  const tell = signal === 'HUP' ? 'kill -HUP "$(cat "$1/pid")"' : UPGRADE_NGINX;
  return {
    address,
    replace: async () => void (await host.run(['sh', '-c', tell, 'sh', folder])),
    processes: () => count(host, [session]),
    async stop() {
      await host.run(['sh', '-c', KILL_SESSION, 'sh', String(session)]);
      await host.run(['rm', '-rf', folder]);
    },
  };
}

// Built, it is a .js file as this one is.
const program = fileURLToPath(new URL(`./cluster-main${extname(import.meta.url)}`, import.meta.url));

/** Its workers are replaced, and serve the application themselves. */
export async function startCluster({ host, at }: Pick<Place, 'host' | 'at'>): Promise<Replaced> {
  const service = await host.start([process.execPath, program, at]);
  return {
    address: String(service.ready.listen),
    replace: async () => void (await host.run(['kill', '-HUP', String(service.pid)])),
    processes: () => count(host, [service.pid]),
    stop: () => service.stop(),
  };
}
