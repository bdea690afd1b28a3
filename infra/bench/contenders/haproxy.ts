import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Stage } from '../stage.ts';
import { freeAddress } from './port.ts';

/** What stands beside a frontend with `default_backend nodes`: it keeps connections to these servers. */
export const backendOf = (servers: readonly { readonly address: string }[]): string =>
  `backend nodes\n  balance roundrobin\n  http-reuse always\n${servers
    .map(({ address }, at) => `  server node${at} ${address}`)
    .join('\n')}`;

/**
 * Starts HAProxy with one thread, in the foreground, with a configuration of its own only. `frontend` is what its
 * single frontend does; `outside`, what stands beside it; `place`, where it listens: on loopback when it is left out.
 */
export async function startHaproxy(
  stage: Stage,
  name: string,
  frontend: string,
  outside = '',
  place: { readonly address: string; readonly from?: readonly string[] } | undefined = undefined,
) {
  const folder = join(stage.folder, name);
  await mkdir(folder);
  const { address, from } = place ?? { address: await freeAddress() };
  const file = join(folder, 'haproxy.cfg');
  await writeFile(
    file,
    `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend bench
  bind ${address} backlog 4096
  ${frontend}
${outside}
`,
  );
  return stage.launchListener(['haproxy', '-db', '-f', file], address, 'haproxy', from);
}
