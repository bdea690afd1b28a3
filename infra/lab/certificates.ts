/** A certificate for the servers of a lab, on the hosts where they run and where their clients are. */
import { parseHostPort } from '../../shared/units.ts';
import type { Site } from './assemble.ts';
import { makeCertificate } from './certificate.ts';
import type { Host } from './lab.ts';

export interface LabCertificate {
  /** Arguments of a `baton delivery` on this host that shall speak TLS. */
  argumentsFor(host: Host): string[];
  /** Whom clients on this host must trust. */
  fileFor(host: Host): string;
  remove(): Promise<void>;
}

/** For every address that something of this lab listens at; its key is on no other host. */
export async function placeCertificate({ client, head, deliveries }: Site): Promise<LabCertificate> {
  const servers = [head, ...deliveries];
  const { certificate, key } = makeCertificate([
    ...new Set(servers.flatMap((each) => addressesOf(each.arguments))),
  ]);
  const folders = new Map<Host, string>();
  const remove = async () => {
    await Promise.all([...folders].map(([host, folder]) => host.run(['rm', '-rf', folder])));
  };
  try {
    for (const { host } of [{ host: client }, ...servers])
      if (!folders.has(host)) folders.set(host, await place(host, certificate, key));
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    argumentsFor(host) {
      const folder = folders.get(host)!;
      return ['--tls-certificate', `${folder}/certificate.pem`, '--tls-key', `${folder}/key.pem`];
    },
    fileFor: (host) => `${folders.get(host)!}/certificate.pem`,
    remove,
  };
}

const addressesOf = (args: readonly string[]): string[] =>
  args.flatMap((arg, index) => {
    const address =
      arg === '--listen' || arg === '--direct' ? parseHostPort(args[index + 1] ?? '') : undefined;
    return address === undefined ? [] : [address.host];
  });

/** mktemp makes the folder 0700. */
const script =
  'd=$(mktemp -d) && printf %s "$1" > "$d/certificate.pem" && printf %s "$2" > "$d/key.pem" && echo "$d"';

const place = async (host: Host, certificate: string, key: string): Promise<string> =>
  (await host.run(['sh', '-c', script, 'sh', certificate, key])).trim();
