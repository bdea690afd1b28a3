import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { BatonError } from '../../shared/errors.ts';

/** The text of a file of certificates, for `--ca`. What is none of those is refused here, and not taken for nobody to trust. */
export async function readCertificates(file: string): Promise<string> {
  const refuse = (problem: string, error?: unknown) =>
    new BatonError('BAD_OPTION', { option: '--ca', problem, value: JSON.stringify(file) }, error);
  const text = await readFile(file, 'latin1').catch((error: Error) => {
    throw refuse(`cannot read it: ${error.message}`, error);
  });
  const blocks = text.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END [^-]*-----/g) ?? [];
  if (blocks.length === 0) throw refuse('it has no certificate in PEM (-----BEGIN CERTIFICATE-----)');
  for (const [index, block] of blocks.entries()) {
    try {
      new X509Certificate(block);
    } catch (error) {
      throw refuse(`its certificate number ${index + 1} cannot be read`, error);
    }
  }
  return text;
}
