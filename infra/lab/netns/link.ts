/** Slow cables: the kernel's netem where it is there, a delay line of our own where it is not. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { extname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BatonError } from '../../../shared/errors.ts';
import { type Cable, encodeCable, type Link } from '../delay/wire.ts';
import { run } from './command.ts';

const delayLine = fileURLToPath(new URL(`../delay/main${extname(import.meta.url)}`, import.meta.url));

/**
 * A garbage collection at the wrong moment is milliseconds of delay: the memory that would call for one is there from the
 * start, and none waits for a helper thread, which does not have the main thread's priority.
 */
const steady = [
  '--single-threaded-gc',
  '--min-semi-space-size=64',
  '--max-semi-space-size=64',
  '--initial-old-space-size=256',
];

/** Tried out on the namespace's own loopback. */
export async function hasNetem(namespace: string): Promise<boolean> {
  const qdisc = (verb: string, ...rest: string[]) =>
    run(['tc', '-n', namespace, 'qdisc', verb, 'dev', 'lo', 'root', ...rest]);
  try {
    await qdisc('add', 'netem', 'delay', '1ms');
    await qdisc('del');
    return true;
  } catch {
    return false;
  }
}

/** For one direction (tc-netem(8)). Its own limit of 1000 packets would drop what a long delay holds. */
export function netemArguments(link: Link): string[] {
  const { delayMs, jitterMs, rateMbit, lossPercent, duplicatePercent, reorderPercent } = link;
  return [
    ...['netem', 'limit', '16384'],
    ...(delayMs === undefined && jitterMs === undefined ? [] : ['delay', `${delayMs ?? 0}ms`]),
    ...(jitterMs === undefined ? [] : [`${jitterMs}ms`]),
    ...(rateMbit === undefined ? [] : ['rate', `${rateMbit}mbit`]),
    ...(lossPercent === undefined ? [] : ['loss', `${lossPercent}%`]),
    ...(duplicatePercent === undefined ? [] : ['duplicate', `${duplicatePercent}%`]),
    // Those that overtake are not delayed at all, so that there must be a delay.
    ...(reorderPercent === undefined ? [] : ['reorder', `${reorderPercent}%`]),
  ];
}

/** What a delay line does from now on. In place: the line has the file mapped. */
export const writeLinkFile = (file: string, cable: Cable): void =>
  writeFileSync(file, encodeCable(cable), { flag: 'r+' });

/**
 * Makes the cards `near` and `far` in the namespace, with a link between them that does what `file` says (made here). It
 * runs on when this process ends, until the namespace's processes are ended.
 */
export async function startDelayLine(
  namespace: string,
  near: string,
  far: string,
  cable: Cable,
  file: string,
): Promise<void> {
  writeFileSync(file, encodeCable(cable));
  const command = [process.execPath, ...steady, delayLine, near, far, file];
  const child = spawn('ip', ['netns', 'exec', namespace, ...command], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  const lines = createInterface({ input: child.stdout });
  const ready = await Promise.race([
    once(lines, 'line').then(() => true),
    once(child, 'close').then(() => false),
  ]);
  if (!ready) {
    const problem =
      complaint
        .trim()
        .split('\n')
        .find((line) => /Error/.test(line)) ?? complaint.trim();
    throw new BatonError('LAB_FAILED', { problem: `the delay line did not start: ${problem}` });
  }
  lines.close();
  child.stdout.destroy();
  child.stderr.destroy();
  child.unref();
}
