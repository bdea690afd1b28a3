/**
 * An HTTPS server that is fed by a head and answers with its own name and the one that its client asked for. Usage: node
 * tls-app.ts HEAD NAME OPTIONS_AS_JSON
 */
import { createServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { receiveConnections } from '../../delivery/index.ts';
import { makeCertificate } from '../../infra/lab/certificate.ts';

const [head, name, options] = process.argv.slice(2);
const server = createServer(makeCertificate(['*.example']), (request, response) => {
  const { servername } = request.socket as TLSSocket & { servername: string };
  response.end(`${name} for ${servername}`);
});
const receiver = receiveConnections(server, { head, name, ...JSON.parse(options!) });
await receiver.ready;
process.stdout.write(`${JSON.stringify({ ready: 'tls-app', pid: process.pid })}\n`);
process.once('SIGTERM', async () => {
  await receiver.close(0);
  process.exit(0);
});
