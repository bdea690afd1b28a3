/**
 * `npm run build`: what a package needs, as JavaScript and types in `dist/`. Node strips types everywhere but under
 * node_modules, so a checkout runs without this. What the package's entries do not reach, as the bench, is left out.
 */
import { cp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ExecaError, execa } from 'execa';

/** What the code reads at run time, beside the file that reads them. */
const assets = ['infra/report/page', 'head/steer/steer.bpf.o'];

const root = fileURLToPath(new URL('..', import.meta.url));

await rm(`${root}dist`, { recursive: true, force: true });
try {
  await execa({ cwd: root, preferLocal: true, stdio: 'inherit' })`tsc --project tsconfig.build.json`;
} catch (error) {
  if (!(error instanceof ExecaError)) throw error;
  // The compiler has said what is wrong.
  process.exit(error.exitCode ?? 1);
}
for (const asset of assets) await cp(`${root}${asset}`, `${root}dist/${asset}`, { recursive: true });
