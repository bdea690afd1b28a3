/** What this package's manifest says of it. */
import { readFileSync } from 'node:fs';

// The built code lies one folder deeper than the source.
const base = import.meta.url.endsWith('.ts') ? '..' : '../..';
const file = new URL(`${base}/package.json`, import.meta.url);

interface Manifest {
  readonly version: string;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
export const version = manifest.version;

/**
 * Packages that only labs, visits and their reports need, and which versions of them: installed on request. They are
 * optional peers of any version, so that a project that has one for itself is not kept from installing Baton.
 */
export const partsOnRequest: Readonly<Record<string, string>> = Object.fromEntries(
  Object.keys(manifest.peerDependencies).map((name) => [name, manifest.devDependencies[name] ?? '*']),
);
