/**
 * The secret that a head and its remote deliveries share. Whoever has it can inject connections, so it comes from a file
 * that only its owner can read, never from a command line, and never goes into a log.
 */
import { closeSync, fstatSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { BatonError } from '../../errors.ts';

/** Bytes; below the least, guessing it would be the way in. */
const SECRET_MIN = 16;
const SECRET_MAX = 512;

/** Reads it; white space around it does not count. Throws SECRET_UNUSABLE with what to do. */
export function readSecret(file: string): Buffer {
  const unusable = (problem: string, fix: string, cause?: unknown) =>
    new BatonError('SECRET_UNUSABLE', { file, problem, fix }, cause);
  const make = `(umask 077; openssl rand -hex 32 > ${file})`;
  // What is there already may be anything: it is neither written over, nor kept from those who use it.
  const another = '(umask 077; openssl rand -hex 32 > baton.secret)';
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const fix = code === 'ENOENT' ? make : `ls -l ${file}`;
    throw unusable(code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`, fix, error);
  }
  try {
    // The open file is asked, not the name: nobody can put another in its place in between.
    const { mode, uid, size } = fstatSync(fd);
    if ((mode & 0o170000) !== 0o100000) throw unusable('is not a regular file', `ls -ld ${file}`);
    if (size > SECRET_MAX * 2)
      throw unusable(`is longer than ${SECRET_MAX} bytes, and not a secret`, another);
    const secret = Buffer.from(readFileSync(fd, 'latin1').trim(), 'latin1');
    const isForeign = uid !== 0 && uid !== process.getuid!();
    if (isForeign || (mode & 0o077) !== 0) {
      const problem = isForeign ? 'belongs to another user' : 'can be read by others';
      if (!isWord(secret) || isTheSystems(file)) throw unusable(`${problem}, and is not a secret`, another);
      throw unusable(problem, isForeign ? `chown ${process.getuid!()} ${file}` : `chmod 600 ${file}`);
    }
    if (secret.length < SECRET_MIN || secret.length > SECRET_MAX)
      throw unusable(`must hold ${SECRET_MIN} to ${SECRET_MAX} bytes`, another);
    return secret;
  } finally {
    closeSync(fd);
  }
}

/** As openssl and its like write one; what others can read and looks otherwise is something else. */
const isWord = (secret: Buffer): boolean =>
  secret.length >= SECRET_MIN && secret.every((byte) => byte > 0x20 && byte < 0x7f);

/** Others read what lies there, whatever it is: /etc/machine-id looks like a secret. */
function isTheSystems(file: string): boolean {
  const path = realpathSync(file);
  return (
    /^\/(etc|var|run)\/[^/]+$/.test(path) ||
    /^\/(usr|bin|sbin|lib\w*|boot|dev|proc|sys|var\/(lib|log|run))\//.test(path)
  );
}
