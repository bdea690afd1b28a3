import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Stage } from '../stage.ts';
import { freeAddress } from './port.ts';

/**
 * Starts nginx with one worker in one process, in the foreground, with a configuration and files of its own only.
 * `location` is what stands in its single location; `outside`, what stands beside the server.
 */
export async function startNginx(stage: Stage, name: string, location: string, outside = '') {
  const folder = join(stage.folder, name);
  await mkdir(folder);
  const address = await freeAddress();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join(' ');
  const file = join(folder, 'nginx.conf');
  await writeFile(
    file,
    `daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 16384;
pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 8192; use epoll; multi_accept on; }
http {
  access_log off; ${temporary}
  keepalive_requests 1000000;
  ${outside}
  server { listen ${address} backlog=4096; location / { ${location} } }
}
`,
  );
  const args = ['-p', folder, '-c', file, '-e', join(folder, 'error.log')];
  return stage.launchListener(['nginx', ...args], address, 'nginx-light');
}
