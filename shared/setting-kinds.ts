/** The kinds of values that settings have: how each is written, checked and shown in help. */
import { isIP } from 'node:net';
import { isReachable, REACHABLE } from './reachable.ts';
import * as z from './schema.ts';
import { formatBytes, formatDuration, parseBytes, parseDuration, parseHostPort } from './units.ts';

/** A value that people write with a unit, kept as a number within bounds. */
const quantity = (
  read: (text: string) => number | undefined,
  write: (value: number) => string,
  example: string,
  min: number,
  max: number,
  fallback: string,
  placeholder: string,
) =>
  z
    .written<number>((text) => {
      const number = read(text);
      if (number !== undefined && number >= min && number <= max) return number;
      return { expected: `something like ${example}, from ${write(min)} to ${write(max)}` };
    })
    .default(read(fallback)!)
    .meta({ shown: fallback, placeholder });

export const duration = (fallback: string, minMs: number, maxMs: number) =>
  quantity(parseDuration, formatDuration, '250ms, 10s or 1m', minMs, maxMs, fallback, 'DURATION');
export const bytes = (fallback: string, min: number, max: number) =>
  quantity(parseBytes, formatBytes, '16k or 64m', min, max, fallback, 'SIZE');

/** A whole number; a command line has it as text. */
export const whole = (range: z.Numeric) => z.digits(range).meta({ placeholder: 'N' });

export const wholeOr = (range: z.Numeric, fallback: number) =>
  whole(range).default(fallback).meta({ shown: fallback });

/** A default that is another for another process: help and schema say how it comes. */
export const ofThisProcess = (shown: string) => ({ shown, default: undefined });

export const address = z
  .string()
  .refine((text) => parseHostPort(text) !== undefined, {
    message: 'expected HOST:PORT, [IPV6]:PORT or :PORT',
  })
  .meta({ placeholder: 'HOST:PORT' });

/** HOST:PORT with a host that a client can connect to; with https:// before it where TLS is spoken. */
export const reachable = z
  .string()
  .refine((text) => isReachable(text.replace(/^https:\/\//, '')), { message: REACHABLE })
  .meta({ placeholder: 'HOST:PORT' });

export const text = z.string().min(1);
export const path = text.meta({ placeholder: 'PATH' });
export const file = text.meta({ placeholder: 'FILE' });
export const files = text.meta({ placeholder: 'FILE,...' });
/** One, or a list; on the command line an option that may be given again. */
export const several = (most: number, expected: string) => {
  const isOne = (value: unknown) => typeof value === 'string' && value.length > 0;
  const isList = (value: unknown) =>
    Array.isArray(value) && value.length > 0 && value.length <= most && value.every(isOne);
  const one = { type: 'string', minLength: 1 };
  return z
    .custom<string | string[]>((value) => isOne(value) || isList(value), expected)
    .meta({ anyOf: [one, { type: 'array', items: one, minItems: 1, maxItems: most }], repeatable: true });
};
export const traced = text
  .meta({ placeholder: 'FOLDER' })
  .optional()
  .describe('write each step that is made with a connection to a file in there, for `npm run trace`');
export const vips = z
  .string()
  .refine((list) => list.split(',').every((one) => isIP(one) !== 0), {
    message: 'expected an IP address, or several: A,B',
  })
  .meta({ placeholder: 'ADDRESS' });
