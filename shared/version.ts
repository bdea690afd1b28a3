/** What this package's manifest says of it. */
import { readFileSync } from 'node:fs';

// The built code lies one folder deeper than the source.
const base = import.meta.url.endsWith('.ts') ? '..' : '../..';
const file = new URL(`${base}/package.json`, import.meta.url);

interface Manifest {
  readonly version: string;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
export const version = manifest.version;
/** Packages that only the lab, visits and their reports need, and their ranges: installed on request. */
export const partsOnRequest = manifest.peerDependencies;
