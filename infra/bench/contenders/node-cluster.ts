import { fileURLToPath } from 'node:url';
import type { Contender } from '../contender.ts';

const program = fileURLToPath(new URL('../servers/node-cluster.ts', import.meta.url));

export const nodeCluster: Contender = {
  name: 'node-cluster',
  about: 'the primary of node:cluster, round-robin, 2 workers that send a fixed answer',
  async start(stage) {
    const primary = await stage.launch(process.execPath, [program, '2']);
    return { subject: primary.pid, others: primary.others, address: primary.address };
  },
};
