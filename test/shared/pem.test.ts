/** Files of certificates and keys: what is refused, and that nothing about a file can hold up who reads it. */
import { execFileSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { makeCertificate } from '../../infra/lab/certificate.ts';
import { readPemPair } from '../../shared/pem.ts';

const pair = makeCertificate(['shop.example']);
const other = makeCertificate(['shop.example']);
const directory = mkdtempSync(join(tmpdir(), 'baton-pem-'));
test.after.always(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string, mode = 0o600): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

const cert = file('cert.pem', pair.cert, 0o644);
const key = file('key.pem', pair.key);

test('a certificate with its chain and the key that belongs to it are read as they are', (t) => {
  const chain = file('chain.pem', pair.cert + other.cert, 0o644);
  const found = readPemPair(chain, key);
  t.is(found.cert, pair.cert + other.cert);
  t.is(found.key, pair.key);
  t.is(found.certificate.subjectAltName, 'DNS:shop.example');
  // As certbot has them, and as Debian's group ssl-cert does.
  const link = join(directory, 'link.pem');
  symlinkSync(key, link);
  t.is(readPemPair(cert, link).key, pair.key);
  t.is(readPemPair(cert, file('group.pem', pair.key, 0o640)).key, pair.key);
});

test('what cannot be used is refused with the file and the reason in one line', (t) => {
  const folder = join(directory, 'folder');
  mkdirSync(folder);
  const pipe = join(directory, 'pipe');
  execFileSync('mkfifo', ['-m', '600', pipe]);
  const long = file('long.pem', pair.cert);
  truncateSync(long, 1024 * 1024 + 1);
  const locked = createPrivateKey(pair.key).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'secret',
  }) as string;
  const withoutKey = /it is no private key in PEM without a passphrase/;
  const cases: [string, string, string, RegExp][] = [
    [join(directory, 'none'), key, join(directory, 'none'), /it does not exist/],
    [cert, join(directory, 'none'), join(directory, 'none'), /it does not exist/],
    [join(cert, 'x'), key, join(cert, 'x'), /it cannot be read \(ENOTDIR\)/],
    [folder, key, folder, /it is no regular file/],
    // Nobody ever writes to it.
    [cert, pipe, pipe, /it is no regular file/],
    // It never ends.
    ['/dev/zero', key, '/dev/zero', /it is no regular file/],
    [long, key, long, /it is longer than 1 MiB/],
    [cert, file('open.pem', pair.key, 0o604), join(directory, 'open.pem'), /everybody can read it/],
    [cert, file('open2.pem', pair.key, 0o602), join(directory, 'open2.pem'), /everybody can read it/],
    [key, key, key, /it is no certificate in PEM/],
    [file('empty.pem', ''), key, join(directory, 'empty.pem'), /it is no certificate in PEM/],
    [cert, cert, cert, /everybody can read it/],
    [cert, file('cert2.pem', pair.cert), join(directory, 'cert2.pem'), withoutKey],
    [cert, file('locked.pem', locked), join(directory, 'locked.pem'), withoutKey],
    [cert, file('other.pem', other.key), join(directory, 'other.pem'), /it is not the key of .*cert\.pem/],
    [file('half.pem', pair.cert.slice(0, 200)), key, join(directory, 'half.pem'), /it is no certificate/],
  ];
  for (const [certFile, keyFile, named, problem] of cases) {
    const error = t.throws(() => readPemPair(certFile, keyFile), { code: 'CERTIFICATE_UNUSABLE' }, named);
    t.regex(error!.message, problem);
    t.true(error!.message.startsWith(`cannot use ${named}: `), error!.message);
    t.is(error!.message.split('\n').length, 1);
    t.false(error!.message.includes('PRIVATE KEY'), 'nothing of a key is told');
  }
});
