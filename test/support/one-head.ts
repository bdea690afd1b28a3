/** One head for all tests of a file: a test leaves it without a delivery. */
import type { Server } from 'node:net';
import type { ExecutionContext, TestFn } from 'ava';
import { pino } from 'pino';
import { type ReceiveOptions, type Receiver, receiveConnections } from '../../delivery/index.ts';
import { type Cluster, startCluster } from './cluster.ts';

export const log = pino({ level: 'silent' });

export const ask = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
export const askAndStay = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

type Feed = (server: Server, options?: ReceiveOptions) => Receiver;

export interface OneHead {
  readonly cluster: Cluster;
  /** As receiveConnections; what it makes ends with the test. */
  feeding(t: ExecutionContext): Feed;
  /** The delivery d1 is. */
  untilState(state: string, direct?: string): Promise<unknown>;
}

export function oneHead(test: TestFn): OneHead {
  let cluster: Cluster;
  const undo: (() => Promise<void>)[] = [];
  test.before(async () => {
    cluster = await startCluster({ teardown: (step) => undo.push(step) }, ['--workers', '2'], []);
  });
  test.after.always(async () => {
    for (const step of undo.reverse()) await step();
  });
  return {
    get cluster() {
      return cluster;
    },
    feeding: (t) => (server, options) => {
      const receiver = receiveConnections(server, { head: cluster.socket, log, ...options });
      t.teardown(async () => {
        await receiver.close(0);
        if ('closeAllConnections' in server) (server.closeAllConnections as () => void)();
        if (server.listening) server.close();
      });
      return receiver;
    },
    untilState: (state, direct) =>
      cluster.untilStatus(`d1 is ${state}`, ({ deliveries }) => {
        const d1 = deliveries.find(({ name }) => name === 'd1');
        return d1?.state === state && (direct === undefined || d1.direct === direct);
      }),
  };
}
