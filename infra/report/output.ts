/** Files that a command writes at its end: whether they can be written is found out at its beginning. */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, open, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Rejects with the system's error when `bytes` cannot be written to this file. Leaves nothing behind. */
export async function needRoomAt(file: string, bytes: number): Promise<void> {
  const there = await stat(file).catch(() => undefined);
  if (there !== undefined && !there.isFile() && !there.isDirectory()) {
    // A terminal, a pipe, a device: what can be written there is not known before.
    await access(file, constants.W_OK);
    return;
  }
  if (there !== undefined) await (await open(file, 'r+')).close();
  try {
    await needRoomIn(dirname(file), bytes);
  } catch (error) {
    // A file that may be written in a folder that may not.
    const mayBeWritten = ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
    if (there === undefined || !mayBeWritten) throw error;
  }
}

/** The same for files that are not there yet, in a folder. */
async function needRoomIn(directory: string, bytes: number): Promise<void> {
  const probe = join(directory, `.baton-${randomUUID()}`);
  try {
    await writeFile(probe, Buffer.alloc(bytes), { flag: 'wx' });
  } finally {
    await rm(probe, { force: true });
  }
}

/** Makes the folder, too. */
export async function needRoomInNew(directory: string, bytes: number): Promise<void> {
  await makeFolder(directory);
  await needRoomIn(directory, bytes);
}

/** As mkdir with `recursive`, which tries for ever where a folder is and takes none (/proc answers ENOENT to that). */
export async function makeFolder(directory: string): Promise<void> {
  try {
    await mkdir(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(directory)).isDirectory()) return;
    const parent = dirname(directory);
    const parentIsThere = await access(parent).then(
      () => true,
      () => false,
    );
    if (code !== 'ENOENT' || parentIsThere) throw error;
    await makeFolder(parent);
    await mkdir(directory);
  }
}

/** What was not there before and cannot be written whole is not left in part. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const there = await stat(file).then(
    () => true,
    () => false,
  );
  try {
    await writeFile(file, text);
  } catch (error) {
    if (!there) await rm(file, { force: true }).catch(() => {});
    throw error;
  }
}
