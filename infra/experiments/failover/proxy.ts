/**
 * Two proxies in the heads' place: HAProxy on each head's host, at the same shared address, which keepalived moves as it does
 * for the heads. Each has the connections that pass it, and the other one knows nothing of them: what any pair without shared
 * flows is.
 */
import { formatHostPort, parseHostPort } from '../../../shared/units.ts';
import type { Host, Lab, Service } from '../../lab/lab.ts';
import { haproxy, versionOn } from '../kit/rivals.ts';
import type { Place } from './faults.ts';

const PORT = 8081;

export interface ProxyPair {
  readonly version: string;
  /** HOST:PORT that clients connect to. */
  readonly address: string;
  /** The same places, at which what befalls a head befalls the proxy beside it. */
  readonly places: readonly Place[];
  stop(): Promise<void>;
}

/** Undefined where HAProxy is not installed. */
export async function startProxyPair(lab: Lab, places: readonly Place[]): Promise<ProxyPair | undefined> {
  const version = await versionOn(lab.head.host, haproxy.version);
  if (version === undefined) return undefined;
  const { host: vip } = parseHostPort(lab.head.listen)!;
  const address = formatHostPort({ host: vip, port: PORT });
  const servers = lab.deliveries.map(({ name, direct }) => `  server ${name} ${direct}`).join('\n');
  // What is not here now may come: as the heads do, by IP_FREEBIND.
  const body = `listen proxy\n  mode tcp\n  bind ${address} transparent\n${servers}`;
  const all = await Promise.all(places.map(({ head: { host } }) => Beside.start(host, body)));
  return {
    version,
    address,
    places: places.map((place, index) => all[index]!.with(place)),
    stop: async () => void (await Promise.all(all.map((one) => one.stop()))),
  };
}

class Beside {
  readonly #host: Host;
  readonly #folder: string;
  #running: Service | undefined;

  private constructor(host: Host, folder: string) {
    this.#host = host;
    this.#folder = folder;
  }

  static async start(host: Host, body: string): Promise<Beside> {
    const folder = (await host.run(['mktemp', '-d'])).trim();
    const beside = new Beside(host, folder);
    await host.run(['sh', '-c', 'printf %s "$2" > "$1/conf"', 'sh', folder, haproxy.configure(folder, body)]);
    await beside.#start();
    return beside;
  }

  async #start(): Promise<void> {
    const script = `PATH="$PATH:/usr/sbin:/sbin"; echo '{}'; ${haproxy.start}`;
    this.#running = await this.#host.start(['sh', '-c', script, 'sh', this.#folder]);
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    await this.#host.run(['rm', '-rf', this.#folder]);
  }

  with({ head, host }: Place): Place {
    const beside = this;
    return {
      head: {
        ...head,
        get pid() {
          return head.pid;
        },
        async end(how) {
          await Promise.all([head.end(how), beside.#running?.kill()]);
        },
        async restart(how, again) {
          await beside.#running?.kill();
          await beside.#start();
          await head.restart(how, again);
        },
        async freeze() {
          await Promise.all([head.freeze(), beside.#running?.freeze()]);
        },
        async resume() {
          await Promise.all([head.resume(), beside.#running?.resume()]);
        },
      },
      host,
    };
  }
}
