/**
 * `npm run trace -- FOLDER [--killed PID,PID]`: checks what processes with BATON_TRACE=FOLDER have written. Exits 1 with what
 * is wrong, and 2 where there is nothing to check.
 */
import { parseArgs } from 'node:util';
import { checkTraces } from './index.ts';

const { values, positionals } = parseArgs({
  options: { killed: { type: 'string' } },
  allowPositionals: true,
});
const [folder] = positionals;
if (folder === undefined) {
  process.stderr.write('trace: say which folder: npm run trace -- FOLDER [--killed PID,PID]\n');
  process.exit(2);
}
const killed = (values.killed ?? '').split(',').map(Number);
const { processes, connections, faults } = checkTraces(folder, { killed });
for (const fault of faults) process.stdout.write(`${fault}\n`);
process.stdout.write(
  `${processes} processes, ${connections} connections, ${faults.length} steps that the models do not allow\n`,
);
process.exitCode = faults.length === 0 ? 0 : 1;
