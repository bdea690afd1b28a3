/** The comparisons, and who takes part in each. */
import type { Suite } from './contender.ts';
import {
  batonAdopting,
  batonDeliveries,
  batonDeliveriesTls,
  batonHandoff,
  batonHello,
  batonPlain,
  batonRedirect,
} from './contenders/baton.ts';
import { fdLoop, fdLoopTaken } from './contenders/fd-loop.ts';
import { haproxyProxy } from './contenders/haproxy-proxy.ts';
import { haproxyRedirect } from './contenders/haproxy-redirect.ts';
import { haproxyHello, nginxHello } from './contenders/hello.ts';
import { batonMigrate, haproxyHosts } from './contenders/migrate.ts';
import { nginxProxy, nginxTls } from './contenders/nginx-proxy.ts';
import { nginxRedirect } from './contenders/nginx-redirect.ts';
import { nodeCluster, nodeClusterHttp } from './contenders/node-cluster.ts';
import { nodeHttp, nodeReuseport, nodeReuseportTls } from './contenders/node-http.ts';
import { notesRedirect } from './contenders/notes-redirect.ts';
import { byConnection, firstHandoff, going, staying } from './contenders/requests.ts';
import type { HelloKind } from './hello.ts';

/** Clients that speak TLS, seen from whoever reads the server name in their hellos. */
const helloSuite = (name: string, kind: HelloKind): Suite => {
  const [haproxy, nginx] = [haproxyHello(kind), nginxHello(kind)];
  return {
    name,
    about: `bringing a connection that begins with a ${kind} hello of TLS to the server of its name`,
    status: 200,
    contenders: [batonHello(kind), batonPlain, haproxy, nginx],
    loads: ['steady', 'burst'],
    apart: 'subject',
    bars: [
      { figure: 'subjectCpu', against: batonPlain.name, atMost: 1.2 },
      { figure: 'subjectCpu', against: haproxy.name, atMost: 0.4 },
      { figure: 'subjectCpu', against: nginx.name, atMost: 0.4 },
    ],
  };
};

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
  {
    name: 'requests',
    about: 'looking at each request of a connection that stays where it is',
    status: 200,
    contenders: [staying, byConnection],
    loads: ['requests'],
    apart: 'nobody',
    bars: [{ figure: 'allCpu', against: byConnection.name, atMostMore: 3 }],
  },
  {
    name: 'requests-go',
    about: 'handing a connection on to another delivery with its next request, beside the first time',
    status: 200,
    contenders: [going, firstHandoff],
    loads: ['requests'],
    apart: 'nobody',
    bars: [{ figure: 'allCpu', against: firstHandoff.name, atMost: 1.5 }],
  },
  {
    name: 'idle',
    about: 'handing over the few connections of a head that sleeps most of the time',
    status: 200,
    contenders: [batonHandoff, fdLoopTaken, fdLoop],
    loads: ['rare-50', 'rare-100', 'rare-300'],
    apart: 'subject',
    bars: [{ figure: 'subjectCpu', against: fdLoopTaken.name, atMost: 1.3 }],
  },
  helloSuite('tls', 'large'),
  helloSuite('tls-small', 'small'),
  {
    name: 'tls-path',
    about: 'the whole way of a request on a new TLS connection to two Node servers and back',
    status: 200,
    contenders: [batonDeliveriesTls, nginxTls, nodeReuseportTls],
    loads: ['steady'],
    apart: 'nobody',
    // The clients take more CPU than what serves them, so their rate says more of them.
    bars: [{ figure: 'allCpu', against: nginxTls.name, atMost: 1 / 1.5 }],
  },
];
