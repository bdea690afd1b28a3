/** The comparisons, and who takes part in each. */
import type { Suite } from './contender.ts';
import { batonAdopting, batonDeliveries, batonHandoff, batonRedirect } from './contenders/baton.ts';
import { fdLoop } from './contenders/fd-loop.ts';
import { haproxyProxy } from './contenders/haproxy-proxy.ts';
import { haproxyRedirect } from './contenders/haproxy-redirect.ts';
import { batonMigrate, haproxyHosts } from './contenders/migrate.ts';
import { nginxProxy } from './contenders/nginx-proxy.ts';
import { nginxRedirect } from './contenders/nginx-redirect.ts';
import { nodeCluster, nodeClusterHttp } from './contenders/node-cluster.ts';
import { nodeHttp, nodeReuseport } from './contenders/node-http.ts';
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
    loads: ['steady', 'burst', 'silent-burst'],
    apart: 'subject',
    bars: [
      { figure: 'subjectCpu', against: notesRedirect.name, atMost: 0.85 },
      { figure: 'subjectCpu', against: nginxRedirect.name, atMost: 0.75 },
    ],
  },
  {
    name: 'delivery',
    about: 'handing connections over to real Node servers',
    status: 200,
    contenders: [batonDeliveries, nodeClusterHttp, nodeReuseport],
    loads: ['steady'],
    apart: 'nobody',
    bars: [
      { figure: 'rate', against: nodeClusterHttp.name, atLeast: 1.4 },
      { figure: 'allCpu', against: nodeReuseport.name, atMost: 1.1 },
    ],
  },
  {
    name: 'adopt',
    about: 'what a connection costs a Node server that adopts it, beside one that accepts it itself',
    status: 200,
    contenders: [batonAdopting, nodeHttp],
    loads: ['steady'],
    apart: 'subject',
    bars: [{ figure: 'subjectCpu', against: nodeHttp.name, atMost: 1.2 }],
  },
  {
    name: 'migrate',
    about: 'moving connections to two other hosts, which answer the clients themselves',
    status: 200,
    contenders: [batonMigrate, haproxyHosts],
    loads: ['steady', 'large'],
    apart: 'subject',
    bars: [],
  },
  {
    name: 'proxy',
    about: 'the whole way of a request to two Node servers and back',
    status: 200,
    contenders: [batonDeliveries, nodeReuseport, nodeClusterHttp, nginxProxy, haproxyProxy],
    loads: ['steady', 'keepalive'],
    apart: 'nobody',
    bars: [],
  },
];
