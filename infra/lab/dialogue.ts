/** Programs that are told things while they run: a line on their standard input each, and a line of theirs for each answer. */
import { createInterface } from 'node:readline';
import { launch, why } from '../processes/launch.ts';
import type { Dialogue } from './lab.ts';
import { nameOf } from './service.ts';

const END_WITHIN_MS = 3000;

export function startDialogue(command: readonly string[], onLine: (line: string) => void): Dialogue {
  const { child, ended, log } = launch(command, { name: nameOf(command), stdin: 'pipe' });
  createInterface({ input: child.stdout! }).on('line', onLine);
  // It may end before it has read all that it was told.
  child.stdin!.on('error', () => {});
  let ending: Promise<void> | undefined;
  return {
    say: (line) => void child.stdin!.write(`${line}\n`),
    ended: ended.then((how) => why(how, log())),
    end() {
      ending ??= endIt();
      return ending;
    },
  };

  async function endIt(): Promise<void> {
    child.stdin!.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), END_WITHIN_MS);
    await ended;
    clearTimeout(timer);
  }
}
