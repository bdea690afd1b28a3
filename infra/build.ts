/**
 * `npm run build`: what a package needs, as JavaScript and types in `dist/`. Node strips types everywhere but under
 * node_modules, so a checkout runs without this. What the package's entries do not reach, as the bench, is left out.
 */
import { chmod, cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ExecaError, execa } from 'execa';
import { deliverySchema, headSchema } from '../shared/config.ts';
import { manualPage } from './cli/manual.ts';

/** What the code reads at run time, beside the file that reads them. */
const assets = [
  'infra/report/page',
  'infra/live/page',
  'infra/keepalived/baton.conf',
  'head/steer/steer.bpf.o',
  'shared/tcp-repair/resume.bpf.o',
];

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = `${root}dist`;

await rm(dist, { recursive: true, force: true });
try {
  await execa({ cwd: root, preferLocal: true, stdio: 'inherit' })`tsc --project tsconfig.build.json`;
} catch (error) {
  if (!(error instanceof ExecaError)) throw error;
  // The compiler has said what is wrong.
  process.exit(error.exitCode ?? 1);
}
for (const asset of assets) await cp(`${root}${asset}`, `${dist}/${asset}`, { recursive: true });
await chmod(`${dist}/infra/cli/main.js`, 0o755);

/** For editors, of what --config reads. */
await mkdir(`${dist}/schema`);
for (const [name, { json }] of Object.entries({ head: headSchema, delivery: deliverySchema })) {
  // A file may point at its schema, which is no setting.
  const properties = { $schema: { type: 'string' }, ...(json.properties as object) };
  const schema = { $schema: 'https://json-schema.org/draft/2020-12/schema', ...json, properties };
  await writeFile(`${dist}/schema/${name}.json`, `${JSON.stringify(schema, undefined, 2)}\n`);
}
await mkdir(`${dist}/man`);
await writeFile(`${dist}/man/baton.1`, await manualPage());
