/** Logs so many lines, says that it has, and ends when its stdin does: `write-lines.ts COUNT`. */
import { createLogger } from '../../../shared/log.ts';

const log = createLogger('test');
for (let n = 0; n < Number(process.argv[2]); n++)
  log.info({ n }, 'a line of some length, as those of a head are');
process.stdout.write('written\n');
process.stdin.resume();
