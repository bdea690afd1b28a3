import { join } from 'node:path';
import type { Contender } from '../contender.ts';

const program = join(import.meta.dirname, '..', 'servers', 'node-cluster.ts');

export const nodeCluster: Contender = {
  name: 'node-cluster',
  about: 'the primary of node:cluster, round-robin, 2 workers that send a fixed answer',
  async start(stage) {
    const primary = await stage.launch(process.execPath, [program, '2']);
    return { headPid: primary.pid, address: primary.address };
  },
};
