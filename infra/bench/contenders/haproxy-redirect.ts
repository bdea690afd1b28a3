import type { Contender } from '../contender.ts';
import { startHaproxy } from './haproxy.ts';

export const haproxyRedirect: Contender = {
  name: 'haproxy',
  about: 'HAProxy, 1 thread, no log: http-request redirect with code 307',
  async start(stage) {
    const rule = 'option httpclose\n  http-request redirect prefix http://192.0.2.1:8080 code 307';
    const { pid, address } = await startHaproxy(stage, 'haproxy-redirect', rule);
    return { subject: pid, others: [], address };
  },
};
