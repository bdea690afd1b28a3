import { fileURLToPath } from 'node:url';
import type { Contender } from '../contender.ts';
import type { Stage } from '../stage.ts';
import { type App, appFile } from './app.ts';
import { writePair } from './pair.ts';

const program = fileURLToPath(new URL('../servers/http.ts', import.meta.url));

/** A Node HTTP server at `port` (0: any free one) that accepts its connections itself. */
export const startNodeHttp = (stage: Stage, port = 0, app: App = 'app', ...pair: readonly string[]) =>
  stage.launch(process.execPath, [program, String(port), appFile(app), ...pair]);

export const nodeHttp: Contender = {
  name: 'node-http',
  about: 'one Node HTTP server that accepts its connections itself',
  async start(stage) {
    const { pid, address } = await startNodeHttp(stage);
    return { subject: pid, others: [], address };
  },
};

export const nodeReuseport: Contender = {
  name: 'reuseport',
  about: 'two Node HTTP servers at one address (SO_REUSEPORT): the kernel gives each its connections',
  async start(stage) {
    const first = await startNodeHttp(stage);
    const second = await startNodeHttp(stage, Number(first.address.split(':')[1]));
    return { subject: first.pid, others: [second.pid], address: first.address };
  },
};

export const nodeReuseportTls: Contender = {
  name: 'reuseport',
  about: 'two Node HTTPS servers at one address (SO_REUSEPORT): nothing before them',
  async start(stage) {
    const { certificate, key } = await writePair(stage, 'reuseport');
    const first = await startNodeHttp(stage, 0, 'app', certificate, key);
    const second = await startNodeHttp(stage, Number(first.address.split(':')[1]), 'app', certificate, key);
    return { subject: first.pid, others: [second.pid], address: first.address, trusted: certificate };
  },
};
