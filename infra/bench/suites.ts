/** The comparisons, and who takes part in each. */
import type { Suite } from './contender.ts';
import { batonHandoff, batonRedirect } from './contenders/baton.ts';
import { fdLoop } from './contenders/fd-loop.ts';
import { nodeCluster } from './contenders/node-cluster.ts';
import { notesRedirect } from './contenders/notes-redirect.ts';

export const suites: readonly Suite[] = [
  {
    name: 'handoff',
    about: 'handing a connection to another process on the same host',
    status: 200,
    contenders: [batonHandoff, fdLoop, nodeCluster],
    bars: [
      { against: fdLoop.name, atMost: 1.3 },
      { against: nodeCluster.name, atMost: 1 / 6 },
    ],
  },
  {
    name: 'redirect',
    about: 'telling the client to go elsewhere with 307',
    status: 307,
    contenders: [batonRedirect, notesRedirect],
    bars: [{ against: notesRedirect.name, atMost: 1 }],
  },
];
