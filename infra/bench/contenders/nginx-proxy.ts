import type { Contender } from '../contender.ts';
import { startNginx } from './nginx.ts';
import { startNodeHttp } from './node-http.ts';

export const nginxProxy: Contender = {
  name: 'nginx',
  about:
    'nginx, 1 worker in one process, no log, as a reverse proxy that keeps connections to 2 Node HTTP servers',
  async start(stage) {
    const servers = [await startNodeHttp(stage), await startNodeHttp(stage)];
    const { pid, address } = await startNginx(
      stage,
      'nginx-proxy',
      'proxy_pass http://nodes; proxy_http_version 1.1; proxy_set_header Connection "";',
      `upstream nodes { ${servers.map((server) => `server ${server.address};`).join(' ')} keepalive 128; }`,
    );
    return { subject: pid, others: servers.map((server) => server.pid), address };
  },
};
