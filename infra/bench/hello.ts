/** What a client of today says first, for the loads that go no further than that. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import type { Stage } from './stage.ts';

/** The server that clients of the TLS suites ask for. */
export const SERVER_NAME = 'shop.example';

/**
 * `large`: with a key share that withstands quantum computers, as browsers send, 1.2 kB for that alone; `small`: with one of 32
 * bytes, as clients sent until then.
 */
export type HelloKind = 'large' | 'small';
const groups: Readonly<Record<HelloKind, string>> = { large: 'X25519MLKEM768:X25519', small: 'X25519' };

/** Writes the hello of this Node's TLS into a file; its path. */
export async function writeHello(stage: Stage, kind: HelloKind): Promise<string> {
  const path = join(stage.folder, `hello-${kind}`);
  await writeFile(path, await makeHello(kind));
  return path;
}

/** The first flight of a client whose other end only listens; it holds nothing that would have to be closed. */
function makeHello(kind: HelloKind): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const wire = new Duplex({
      read() {},
      write(flight: Buffer, _, done) {
        done();
        resolve(flight);
      },
    });
    const client = connect({
      socket: wire,
      servername: SERVER_NAME,
      ecdhCurve: groups[kind],
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    client.on('error', reject);
  });
}
