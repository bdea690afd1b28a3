/**
 * Certificates and their keys, files of PEM that a head and a delivery read by the same rules: checked when they are read, so
 * that no client is the first to find out.
 */
import type { X509Certificate } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { BatonError } from './errors.ts';

export interface PemPair {
  /** With its chain. */
  readonly cert: string;
  readonly key: string;
  /** What the first certificate says. */
  readonly certificate: X509Certificate;
}

/** Bytes; chains of certificates have some thousands. */
const FILE_MAX = 1024 * 1024;

/** Throws CERTIFICATE_UNUSABLE. */
export function readPemPair(certFile: string, keyFile: string): PemPair {
  // Loaded by who has certificates alone: TLS takes a process 20 ms of CPU.
  const { createPrivateKey, X509Certificate } = process.getBuiltinModule('node:crypto');
  const { createSecureContext } = process.getBuiltinModule('node:tls');
  const cert = read(certFile);
  const key = read(keyFile, true);
  const certificate = attempt(certFile, 'it is no certificate in PEM', () => new X509Certificate(cert));
  const secret = attempt(keyFile, 'it is no private key in PEM without a passphrase', () =>
    createPrivateKey(key),
  );
  if (!certificate.checkPrivateKey(secret)) throw unusable(keyFile, `it is not the key of ${certFile}`);
  attempt(certFile, 'OpenSSL does not take it', () => createSecureContext({ cert, key }));
  return { cert, key, certificate };
}

/** The open file is asked who may read it, not the name: nobody can put another in its place in between. */
function read(file: string, isSecret = false): string {
  let fd = -1;
  try {
    // A pipe that nobody writes to must not hold up the process.
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const { mode, size } = fstatSync(fd);
    // Read again on SIGHUP, which what is read once cannot be.
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw unusable(file, 'it is no regular file');
    if (size > FILE_MAX) throw unusable(file, 'it is longer than 1 MiB');
    if (isSecret && (mode & 0o007) !== 0) throw unusable(file, 'everybody can read it (chmod o= it)');
    return readFileSync(fd, 'utf8');
  } catch (error) {
    if (error instanceof BatonError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw unusable(file, code === 'ENOENT' ? 'it does not exist' : `it cannot be read (${code})`, error);
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

function attempt<T>(file: string, problem: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw unusable(file, problem, error);
  }
}

const unusable = (file: string, problem: string, cause?: unknown) =>
  new BatonError('CERTIFICATE_UNUSABLE', { file, problem }, cause);
