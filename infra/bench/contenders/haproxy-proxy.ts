import type { Contender } from '../contender.ts';
import { backendOf, startHaproxy } from './haproxy.ts';
import { startNodeHttp } from './node-http.ts';

export const haproxyProxy: Contender = {
  name: 'haproxy',
  about: 'HAProxy, 1 thread, no log, as a reverse proxy that keeps connections to 2 Node HTTP servers',
  async start(stage) {
    const servers = [await startNodeHttp(stage), await startNodeHttp(stage)];
    const { pid, address } = await startHaproxy(
      stage,
      'haproxy-proxy',
      'default_backend nodes',
      backendOf(servers),
    );
    return { subject: pid, others: servers.map((server) => server.pid), address };
  },
};
