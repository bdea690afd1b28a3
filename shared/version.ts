/** The version of this package, and the Node.js that it runs on. */
import { readFileSync } from 'node:fs';

// The built code lies one folder deeper than the source.
const base = import.meta.url.endsWith('.ts') ? '..' : '../..';
const file = new URL(`${base}/package.json`, import.meta.url);

interface Manifest {
  readonly version: string;
  readonly engines: { readonly node: string };
}

const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
export const version = manifest.version;
/** As npm reads it: `^22.20 || >=26`. */
export const nodeRange = manifest.engines.node;
