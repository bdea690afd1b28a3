/**
 * Clocks of single processes that jump. All processes of a machine share its clock, and a time namespace has clocks of its own
 * but for the time of day: so a library that is loaded before all others (clock.c) says what time of day it is.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BatonError } from '../../shared/errors.ts';

const source = fileURLToPath(new URL('./clock.c', import.meta.url));

/** There is something to compile it with, and its source: an installed package has none. */
export const areClocksThere = (): boolean =>
  existsSync(source) && spawnSync('cc', ['--version'], { stdio: 'ignore' }).status === 0;

/** The environment of processes whose clocks can jump; `folder` is made, and goes with whoever removes it. Throws LAB_FAILED. */
export function prepareClocks(folder: string): { LD_PRELOAD: string; CHAOS_CLOCKS: string } {
  const clocks = join(folder, 'clocks');
  const library = join(folder, 'clock.so');
  mkdirSync(clocks);
  const { status, stderr } = spawnSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, source, '-ldl'], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new BatonError('LAB_FAILED', { problem: `cc cannot make ${library}: ${stderr}` });
  return { LD_PRELOAD: library, CHAOS_CLOCKS: clocks };
}

/** Of a process that runs with that environment, at once. */
export function jump(pid: number, seconds: number): void {
  const shift = Buffer.alloc(8);
  shift.writeBigInt64LE(BigInt(seconds) * 1_000_000_000n);
  // Written in place: the process has it mapped.
  writeFileSync(join(process.env.CHAOS_CLOCKS!, String(pid)), shift, { flag: 'r+' });
}
