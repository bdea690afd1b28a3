/**
 * How visitors differ from one another: how many requests each makes, and how long each stays. What is drawn for a visit
 * depends on the seed and on its number alone, so that it is the same whichever generator makes it.
 */
import { seededRandom } from '../statistics/random.ts';

interface Fixed {
  readonly kind: 'fixed';
  readonly value: number;
}

interface Uniform {
  readonly kind: 'uniform';
  readonly from: number;
  readonly to: number;
}

interface WithMean {
  readonly kind: 'exponential' | 'geometric';
  readonly mean: number;
}

interface OneOf {
  readonly kind: 'values';
  readonly values: readonly number[];
}

export type Distribution = (Fixed | Uniform | WithMean | OneOf) & {
  /** As it was written. */
  readonly text: string;
};

/** What a quantity may be, and how a value of it is written. */
export interface Quantity {
  readonly least: number;
  readonly most: number;
  /** Whole numbers: what is drawn is rounded. */
  readonly whole: boolean;
  read(text: string): number | undefined;
  /** Of a file with a value a line; throws where it cannot be read. */
  readFile?(file: string): string;
}

/** The most values that a file may have. */
const VALUES_MAX = 1_000_000;

/** `5`, `uniform:1-9`, `exponential:5`, `geometric:5` (of whole numbers from 1 on), `file:FILE`; undefined for anything else. */
export function parseDistribution(text: string, quantity: Quantity): Distribution | undefined {
  const value = (written: string | undefined): number | undefined => {
    const found = written === undefined ? undefined : quantity.read(written.trim());
    return found !== undefined && found >= quantity.least && found <= quantity.most ? found : undefined;
  };
  const [, name, rest = ''] = /^\s*([a-z]+):(.+)$/s.exec(text) ?? [];
  if (name === undefined) {
    const fixed = value(text);
    return fixed === undefined ? undefined : { text, kind: 'fixed', value: fixed };
  }
  if (name === 'uniform') {
    const [from, to] = rest.split('-').map(value);
    if (from === undefined || to === undefined || from > to || rest.split('-').length !== 2) return undefined;
    return { text, kind: 'uniform', from, to };
  }
  if (name === 'exponential' || (name === 'geometric' && quantity.whole)) {
    const mean = value(rest);
    return mean === undefined || mean <= 0 ? undefined : { text, kind: name, mean };
  }
  if (name !== 'file' || !quantity.readFile) return undefined;
  const lines = quantity
    .readFile(rest)
    .split('\n')
    .filter((line) => line.trim() !== '');
  const values = lines.map(value).filter((one) => one !== undefined);
  if (values.length === 0 || values.length < lines.length || values.length > VALUES_MAX) return undefined;
  return { text, kind: 'values', values };
}

/** What is drawn for the visit of this number. `salt` keeps what is drawn for one purpose apart from another. */
export function draws(
  distribution: Distribution,
  { least, most, whole }: Pick<Quantity, 'least' | 'most' | 'whole'>,
  seed: number,
  salt: number,
): (number: number) => number {
  if (distribution.kind === 'fixed') return () => distribution.value;
  const within = (value: number) => Math.min(most, Math.max(least, whole ? Math.round(value) : value));
  return (number) => within(draw(distribution, seededRandom(mixed(seed, salt, number))(), whole));
}

function draw(distribution: Distribution, random: number, whole: boolean): number {
  switch (distribution.kind) {
    case 'fixed':
      return distribution.value;
    case 'uniform': {
      const { from, to } = distribution;
      return whole ? from + Math.floor(random * (to - from + 1)) : from + random * (to - from);
    }
    case 'exponential':
      return -Math.log(1 - random) * distribution.mean;
    case 'geometric':
      // How often it is tried until it succeeds once, at 1 / mean.
      return distribution.mean <= 1
        ? 1
        : Math.floor(Math.log(1 - random) / Math.log(1 - 1 / distribution.mean)) + 1;
    case 'values':
      return distribution.values[Math.floor(random * distribution.values.length)]!;
  }
}

/** What is drawn from neighbours must not be alike. */
const mixed = (seed: number, salt: number, number: number): number =>
  Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(salt + 1, 0x85ebca6b) ^ Math.imul(number + 1, 0xc2b2ae35);

/** The mean of what is asked for, before bounds. */
export function meanOf(distribution: Distribution): number {
  switch (distribution.kind) {
    case 'fixed':
      return distribution.value;
    case 'uniform':
      return (distribution.from + distribution.to) / 2;
    case 'exponential':
    case 'geometric':
      return distribution.mean;
    case 'values':
      return distribution.values.reduce((sum, value) => sum + value, 0) / distribution.values.length;
  }
}

/** Requests of a visit. */
export const REQUESTS: Pick<Quantity, 'least' | 'most' | 'whole'> = { least: 1, most: 10_000, whole: true };
/** How long a visitor stays, milliseconds. */
export const LIFETIME: Pick<Quantity, 'least' | 'most' | 'whole'> = {
  least: 0,
  most: 3_600_000,
  whole: false,
};

export const fixed = (value: number): Distribution => ({ kind: 'fixed', value, text: String(value) });
