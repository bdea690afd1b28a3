/**
 * A server that has a certificate and sends everybody elsewhere: what a redirect over TLS takes, whoever answers it.
 *
 *     node sender.ts ADDRESS CERTIFICATE KEY HOST:PORT...
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { formatHostPort } from '../../../shared/units.ts';

const [address, certificate, key, ...hosts] = process.argv.slice(2) as [string, string, string, ...string[]];
let turn = 0;
const server = createServer(
  { cert: readFileSync(certificate), key: readFileSync(key) },
  (request, answer) => {
    const host = hosts[turn++ % hosts.length];
    answer.writeHead(307, { location: `https://${host}${request.url}` }).end();
  },
);
server.listen(0, address, 4096);
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
process.once('SIGTERM', () => process.exit());
process.stdout.write(`${JSON.stringify({ listen: formatHostPort({ host: address, port }) })}\n`);
