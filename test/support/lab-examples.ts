/** The labs that the project shows as examples. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const folder = fileURLToPath(new URL('../../infra/lab/examples', import.meta.url));
export const examples = readdirSync(folder).filter((file) => file.endsWith('.yaml'));
