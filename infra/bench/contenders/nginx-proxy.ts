import type { Contender } from '../contender.ts';
import type { Stage } from '../stage.ts';
import { startNginx } from './nginx.ts';
import { startNodeHttp } from './node-http.ts';
import { writePair } from './pair.ts';

export const nginxProxy: Contender = {
  name: 'nginx',
  about:
    'nginx, 1 worker in one process, no log, as a reverse proxy that keeps connections to 2 Node HTTP servers',
  async start(stage) {
    return await startProxy(stage, 'nginx-proxy');
  },
};

export const nginxTls: Contender = {
  name: 'nginx',
  about:
    'nginx, 1 worker in one process, no log, ends TLS and keeps plain connections to 2 Node HTTP servers',
  async start(stage) {
    const { certificate, key } = await writePair(stage, 'nginx');
    const tls = `ssl_certificate ${certificate}; ssl_certificate_key ${key}; ssl_protocols TLSv1.2 TLSv1.3;`;
    return { ...(await startProxy(stage, 'nginx-tls', tls)), trusted: certificate };
  },
};

async function startProxy(stage: Stage, name: string, tls = '') {
  const servers = [await startNodeHttp(stage), await startNodeHttp(stage)];
  const { pid, address } = await startNginx(
    stage,
    name,
    'proxy_pass http://nodes; proxy_http_version 1.1; proxy_set_header Connection "";',
    `upstream nodes { ${servers.map((server) => `server ${server.address};`).join(' ')} keepalive 128; }`,
    tls,
  );
  return { subject: pid, others: servers.map((server) => server.pid), address };
}
