import type { Contender } from '../contender.ts';
import { startNginx } from './nginx.ts';

export const nginxRedirect: Contender = {
  name: 'nginx',
  about: 'nginx, 1 worker in one process, no log: return 307 with the request target',
  async start(stage) {
    const { pid, address } = await startNginx(
      stage,
      'nginx-redirect',
      'keepalive_timeout 0; return 307 http://192.0.2.1:8080$request_uri;',
    );
    return { subject: pid, others: [], address };
  },
};
