/**
 * The names that a delivery serves: `shop.example`, `*.img.example` for all that end so, `*` for every name. In lower case,
 * as they are compared; a name of another script is written as DNS has it (xn--...).
 */
import * as z from './schema.ts';

/** Names of one delivery, and their characters together, at most: they fit into one message. */
const NAMES_MAX = 200;
const CHARACTERS_MAX = 8192;
/** RFC 1035 section 2.3.4. */
const NAME_MAX = 253;

export const EVERY_NAME = '*';
/** What `*.img.example` ends in. */
export const WILDCARD = '*.';

const label = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
const pattern = new RegExp(`^(?:\\*|(?:\\*\\.)?${label}(?:\\.${label})*)$`);
const isServedName = (name: string): boolean => name.length <= NAME_MAX && pattern.test(name);

const EXPECTED = 'expected names such as shop.example, *.img.example or *';

export const servedNames = z
  .array(z.string().refine(isServedName, EXPECTED))
  .max(NAMES_MAX)
  .refine((names) => names.length > 0, EXPECTED)
  .refine(
    (names) => names.reduce((sum, name) => sum + name.length, 0) <= CHARACTERS_MAX,
    `expected at most ${CHARACTERS_MAX} characters in all`,
  );

/** As somebody may have written it. */
export const normalizeName = (name: string): string =>
  name
    .trim()
    .toLowerCase()
    .replace(/(?<=.)\.$/, '');

/** `A,B` as names; what is wrong with them is found by `servedNames`. */
export const splitNames = (text: string): string[] => text.split(',').map(normalizeName);
