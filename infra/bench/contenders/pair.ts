import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeCertificate } from '../../lab/certificate.ts';
import { SERVER_NAME } from '../hello.ts';
import type { Stage } from '../stage.ts';

/** Files with a certificate, ECDSA with P-256, and its key; `name` is that of whose they are. */
export async function writePair(
  stage: Stage,
  name: string,
): Promise<{ readonly certificate: string; readonly key: string }> {
  const { cert, key } = makeCertificate([SERVER_NAME]);
  const files = { certificate: join(stage.folder, `${name}.pem`), key: join(stage.folder, `${name}.key`) };
  await writeFile(files.certificate, cert);
  await writeFile(files.key, key, { mode: 0o600 });
  return files;
}
