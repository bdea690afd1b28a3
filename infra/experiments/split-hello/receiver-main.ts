/**
 * Who is behind the servers that choose by name: says which one it is, and when a whole ClientHello has come, how long it was
 * and a digest of it. Others connect to it; a head hands connections to it. Arguments: HOST NAME SOCKET [SERVES].
 */
import { createHash } from 'node:crypto';
import { type AddressInfo, createServer } from 'node:net';
import { receiveConnections } from '../../../delivery/index.ts';
import { formatHostPort } from '../../../shared/units.ts';

const [host, name, head, serves] = process.argv.slice(2);
const HEADER = 5;

const server = createServer({ noDelay: true }, (socket) => {
  let flight = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.write(`${name}\n`);
  socket.on('data', (chunk) => {
    flight = Buffer.concat([flight, chunk]);
    if (isWhole(flight))
      socket.write(`${flight.length} ${createHash('sha256').update(flight).digest('hex')}\n`);
  });
});

/** All records of a handshake message are there (RFC 8446 sections 4 and 5.1). */
function isWhole(flight: Buffer): boolean {
  const parts: Buffer[] = [];
  for (let at = 0; at + HEADER <= flight.length; ) {
    const end = at + HEADER + flight.readUInt16BE(at + 3);
    if (end > flight.length) break;
    parts.push(flight.subarray(at + HEADER, end));
    at = end;
  }
  const message = Buffer.concat(parts);
  return message.length >= 4 && message.length >= 4 + message.readUIntBE(1, 3);
}

const receiver = receiveConnections(server, {
  name: name!,
  head,
  direct: null,
  ...(serves === undefined ? {} : { serves: [serves] }),
});
server.listen(0, host, async () => {
  await receiver.ready;
  const { address, port } = server.address() as AddressInfo;
  console.log(JSON.stringify({ listen: formatHostPort({ host: address, port }) }));
});
process.once('SIGTERM', () => process.exit(0));
