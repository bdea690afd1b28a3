/** The comparisons, and who takes part in each. */
import type { Suite } from './contender.ts';
import { batonHandoff, batonRedirect } from './contenders/baton.ts';
import { fdLoop } from './contenders/fd-loop.ts';
import { haproxyRedirect } from './contenders/haproxy-redirect.ts';
import { nginxRedirect } from './contenders/nginx-redirect.ts';
import { nodeCluster } from './contenders/node-cluster.ts';
import { notesRedirect } from './contenders/notes-redirect.ts';

export const suites: readonly Suite[] = [
  {
    name: 'handoff',
    about: 'handing a connection to another process on the same host',
    status: 200,
    contenders: [batonHandoff, fdLoop, nodeCluster],
    loads: ['steady', 'burst'],
    apart: 'subject',
    bars: [
      { figure: 'subjectCpu', against: fdLoop.name, atMost: 1 },
      { figure: 'subjectCpu', against: nodeCluster.name, atMost: 1 / 8 },
    ],
  },
  {
    name: 'redirect',
    about: 'telling the client to go elsewhere with 307',
    status: 307,
    contenders: [batonRedirect, notesRedirect, nginxRedirect, haproxyRedirect],
    loads: ['steady', 'burst'],
    apart: 'subject',
    bars: [
      { figure: 'subjectCpu', against: notesRedirect.name, atMost: 0.85 },
      { figure: 'subjectCpu', against: nginxRedirect.name, atMost: 0.75 },
    ],
  },
];
