/** The certificates that the head has: files of PEM, checked when they are read, so that no client is the first to find out. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { BatonError } from '../../shared/errors.ts';
import { readSmallFile } from '../../shared/small-file.ts';
import type { Certificate } from './messages.ts';

/** Far above any chain, bytes. */
const PEM_MAX = 1024 * 1024;

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
  return certFiles.map((file, at) => readPair(file, keyFiles[at]!));
}

function readPair(certFile: string, keyFile: string): Certificate {
  const cert = read(certFile);
  const key = read(keyFile, true);
  const first = attempt(certFile, 'it is no certificate in PEM', () => new X509Certificate(cert));
  const secret = attempt(keyFile, 'it is no private key in PEM without a passphrase', () =>
    createPrivateKey(key),
  );
  if (!first.checkPrivateKey(secret)) throw unusable(keyFile, `it is not the key of ${certFile}`);
  attempt(certFile, 'OpenSSL does not take it', () => createSecureContext({ cert, key }));
  return { cert, key, names: namesOf(first) };
}

/** The open file is asked who may read it, not the name: nobody can put another in its place in between. */
function read(file: string, isSecret = false): string {
  const { text, mode } = attempt(file, undefined, () => readSmallFile(file, PEM_MAX));
  if (isSecret && (mode & 0o007) !== 0) throw unusable(file, 'everybody can read it (chmod o= it)');
  return text;
}

/** `problem`: what to say; undefined for what was thrown. */
function attempt<T>(file: string, problem: string | undefined, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw unusable(file, problem ?? (error as Error).message, error);
  }
}

const unusable = (file: string, problem: string, cause?: unknown) =>
  new BatonError('CERTIFICATE_UNUSABLE', { file, problem }, cause);

/** The subject's common name counts only where no other name stands (RFC 9525 would have it count never). */
function namesOf({ subjectAltName, subject }: X509Certificate): readonly string[] {
  const listed = [...(subjectAltName ?? '').matchAll(/DNS:([^,\s"]+)/g)].map(([, name]) => name!);
  const names =
    subjectAltName === undefined
      ? [...(subject ?? '').matchAll(/^CN=(.+)$/gm)].map(([, name]) => name!)
      : listed;
  return names.map((name) => name.toLowerCase());
}
