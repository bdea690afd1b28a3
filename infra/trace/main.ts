/** `npm run trace -- FOLDER`: checks what processes with BATON_TRACE=FOLDER have written. Exits 1 with what is wrong. */
import { checkFolder } from './folder.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('trace: say which folder: npm run trace -- FOLDER\n');
  process.exit(2);
}
const { processes, problems } = checkFolder(folder);
for (const problem of problems) process.stdout.write(`${problem}\n`);
process.stdout.write(`${processes} processes, ${problems.length} steps that the model does not allow\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
