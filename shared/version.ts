/** The version of this package. */
import { readFileSync } from 'node:fs';

// The built code lies one folder deeper than the source.
const base = import.meta.url.endsWith('.ts') ? '..' : '../..';
const file = new URL(`${base}/package.json`, import.meta.url);

export const version: string = (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
