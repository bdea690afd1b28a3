import { fileURLToPath } from 'node:url';
import type { Contender } from '../contender.ts';

const program = fileURLToPath(new URL('../servers/node-cluster.ts', import.meta.url));

function nodeClusterOf(workers: 'fixed' | 'http', about: string): Contender {
  return {
    name: 'node-cluster',
    about,
    async start(stage) {
      const primary = await stage.launch(process.execPath, [program, '2', workers]);
      return { subject: primary.pid, others: primary.others, address: primary.address };
    },
  };
}

export const nodeCluster = nodeClusterOf(
  'fixed',
  'the primary of node:cluster, round-robin, 2 workers that send a fixed answer',
);
export const nodeClusterHttp = nodeClusterOf('http', 'node:cluster, round-robin, 2 workers: HTTP servers');
