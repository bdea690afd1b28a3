/** Certificates for servers of tests, signed by an authority that only those trust who are told to. Made with openssl(1). */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** PEM. */
interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  /** The certificate of the authority itself, and a file that has it. */
  readonly ca: string;
  readonly file: string;
  /** `names`: host names and addresses. `days`: how long from now on; it may be over. */
  issue(names: readonly string[], days?: number): Pair;
  remove(): void;
}

const P256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

export function createAuthority(): Authority {
  const directory = mkdtempSync(join(tmpdir(), 'baton-authority-'));
  const file = (name: string) => join(directory, name);
  const openssl = (...args: string[]) =>
    void execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const read = (name: string) => readFileSync(file(name), 'utf8');
  openssl(
    'req',
    '-x509',
    ...P256,
    '-days',
    '30',
    '-subj',
    '/CN=test authority',
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
  );
  let number = 0;
  return {
    ca: read('ca.pem'),
    file: file('ca.pem'),
    issue(names, days = 30) {
      const name = `${++number}`;
      const [request, extensions] = [file(`${name}.csr`), file(`${name}.ext`)];
      writeFileSync(
        extensions,
        `subjectAltName=${names.map((each) => `${isIP(each) ? 'IP' : 'DNS'}:${each}`)}\n`,
      );
      openssl('req', ...P256, '-subj', '/CN=a server', '-keyout', file(`${name}.key`), '-out', request);
      openssl(
        ...[
          'x509',
          '-req',
          '-in',
          request,
          '-CA',
          file('ca.pem'),
          '-CAkey',
          file('ca.key'),
          '-extfile',
          extensions,
        ],
        ...['-days', String(days), '-out', file(`${name}.pem`)],
      );
      return { cert: read(`${name}.pem`), key: read(`${name}.key`) };
    },
    remove: () => rmSync(directory, { recursive: true }),
  };
}
