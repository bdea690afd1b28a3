import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { missingTool, runTool } from '../../processes/tool.ts';
import type { Stage } from '../stage.ts';
import { freeAddress } from './port.ts';

/**
 * Starts nginx with one worker in one process, in the foreground, with a configuration and files of its own only.
 * `location` is what stands in its single location; `outside`, what stands beside the server; `tls`, what makes it speak TLS.
 */
export async function startNginx(stage: Stage, name: string, location: string, outside = '', tls = '') {
  const folder = join(stage.folder, name);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join(' ');
  return startWith(
    stage,
    folder,
    (address) => `http {
  access_log off; ${temporary}
  keepalive_requests 1000000;
  ${outside}
  server { listen ${address} ${tls && 'ssl '}backlog=4096; ${tls} location / { ${location} } }
}
`,
  );
}

/** Debian builds it as a module that a configuration must name; elsewhere it is a part of nginx. */
const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';
const STREAM_PACKAGE = 'libnginx-mod-stream';

/** The same for bytes that nginx passes on: `server` is what stands in its single server, `outside` beside it. */
export async function startNginxStream(stage: Stage, name: string, server: string, outside: string) {
  const isModule = existsSync(STREAM_MODULE);
  if (!isModule) {
    const { stderr } = await runTool(['nginx', '-V'], 'nginx-light');
    if (!/--with-stream\s/.test(`${stderr} `))
      throw missingTool('the stream module of nginx', STREAM_PACKAGE);
  }
  return startWith(
    stage,
    join(stage.folder, name),
    (address) => `stream {
  ${outside}
  server { listen ${address} backlog=4096; ${server} }
}
`,
    isModule ? `load_module ${STREAM_MODULE};` : '',
  );
}

async function startWith(stage: Stage, folder: string, body: (address: string) => string, modules = '') {
  await mkdir(folder);
  const address = await freeAddress();
  const file = join(folder, 'nginx.conf');
  await writeFile(
    file,
    `${modules} daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 16384;
pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 8192; use epoll; multi_accept on; }
${body(address)}`,
  );
  const args = ['-p', folder, '-c', file, '-e', join(folder, 'error.log')];
  return stage.launchListener(['nginx', ...args], address, 'nginx-light');
}
