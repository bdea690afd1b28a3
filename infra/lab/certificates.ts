/**
 * A certificate for the servers of a lab, and the secret that their tickets come from, on the hosts where they run and where
 * their clients are.
 */
import { randomBytes } from 'node:crypto';
import { parseHostPort } from '../../shared/units.ts';
import type { Site } from './assemble.ts';
import { makeCertificate } from './certificate.ts';
import type { Host } from './lab.ts';

export interface LabCertificate {
  /** Its file on this host. */
  fileOn(host: Host): string;
  /** Arguments of a `baton head` on this host that shall speak TLS. */
  headArguments(host: Host): string[];
  /** Of a `baton delivery`: that it resumes the sessions of the others too. */
  deliveryArguments(host: Host): string[];
  remove(): Promise<void>;
}

/** For every address that something of this lab listens at, and for names that `curl --resolve` may give them. */
export async function placeCertificate(site: Site): Promise<LabCertificate> {
  const { client, heads, deliveries, directory } = site;
  const servers = [...heads, ...deliveries];
  const addresses = servers.flatMap((each) => addressesOf(each.arguments));
  const made = makeCertificate([...new Set(['lab.test', '*.lab.test', 'localhost', ...addresses])]);
  const texts = [made.cert, made.key, randomBytes(32).toString('hex')];
  const folders = new Map<Host, string>();
  const remove = async () => {
    if (directory !== undefined) return;
    await Promise.all([...folders].map(([host, folder]) => host.run(['rm', '-rf', folder])));
  };
  try {
    for (const { host } of [{ host: client }, ...servers])
      if (!folders.has(host)) folders.set(host, await place(host, directory, texts));
  } catch (error) {
    await remove();
    throw error;
  }
  const fileOn = (host: Host, name: string) => `${folders.get(host)!}/${name}`;
  const certificateOn = (host: Host) => fileOn(host, 'certificate.pem');
  const pair = (host: Host) => [
    '--tls-certificate',
    certificateOn(host),
    '--tls-key',
    fileOn(host, 'key.pem'),
  ];
  return {
    fileOn: certificateOn,
    headArguments: pair,
    deliveryArguments: (host) => [...pair(host), '--ticket-secret', fileOn(host, 'ticket-secret')],
    remove,
  };
}

const addressesOf = (args: readonly string[]): string[] =>
  args.flatMap((arg, index) => {
    const value = args[index + 1] ?? '';
    if (arg === '--vip') return value.split(',');
    return arg === '--listen' || arg === '--direct' ? (parseHostPort(value)?.host ?? []) : [];
  });

/** mktemp makes the folder 0700. */
const script = `umask 077; d=\${1:-$(mktemp -d)} && printf %s "$2" > "$d/certificate.pem" &&
  printf %s "$3" > "$d/key.pem" && printf %s "$4" > "$d/ticket-secret" && echo "$d"`;

const place = async (host: Host, directory = '', texts: readonly string[]): Promise<string> =>
  (await host.run(['sh', '-c', script, 'sh', directory, ...texts])).trim();
