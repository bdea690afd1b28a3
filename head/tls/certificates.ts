/** The certificates that the head has: several, each with its key and for the names that it says. */
import type { X509Certificate } from 'node:crypto';
import { BatonError } from '../../shared/errors.ts';
import { readPemPair } from '../../shared/pem.ts';
import type { Certificate } from './messages.ts';

/** `certificates` and `keys` are lists of files that belong together by their place. Throws CERTIFICATE_UNUSABLE. */
export function readCertificates(certificates: string, keys: string): readonly Certificate[] {
  const certFiles = certificates.split(',');
  const keyFiles = keys.split(',');
  if (certFiles.length !== keyFiles.length) {
    throw new BatonError('BAD_OPTION', {
      option: '--tls-key',
      problem: `expected as many files as --tls-certificate has, ${certFiles.length}`,
      value: keys,
    });
  }
  return certFiles.map((file, at) => {
    const { cert, key, certificate } = readPemPair(file, keyFiles[at]!);
    return { cert, key, names: namesOf(certificate) };
  });
}

/** The subject's common name counts only where no other name stands (RFC 9525 would have it count never). */
function namesOf({ subjectAltName, subject }: X509Certificate): readonly string[] {
  const listed = [...(subjectAltName ?? '').matchAll(/DNS:([^,\s"]+)/g)].map(([, name]) => name!);
  const names =
    subjectAltName === undefined
      ? [...(subject ?? '').matchAll(/^CN=(.+)$/gm)].map(([, name]) => name!)
      : listed;
  return names.map((name) => name.toLowerCase());
}
