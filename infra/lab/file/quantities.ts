/** Quantities as a lab's file has them, each with its unit: a bare number would be read in another one than was meant. */
import * as z from '../../../shared/schema.ts';
import { formatDuration, parseDuration } from '../../../shared/units.ts';

/** -> milliseconds */
export const duration = (leastMs: number, mostMs: number) =>
  z
    .written<number>((text) => {
      const millis = /[a-z]$/.test(text) || text === '0' ? parseDuration(text) : undefined;
      if (millis !== undefined && millis >= leastMs && millis <= mostMs) return millis;
      return {
        expected: `a duration with its unit, as 25ms or 2s, from ${formatDuration(leastMs)} to ${formatDuration(mostMs)}`,
      };
    })
    .meta({
      anyOf: undefined,
      type: ['string', 'integer'],
      pattern: '^(0|\\d+(\\.\\d+)?\\s*(us|ms|s|m|h))$',
      maximum: 0,
    });

/** -> per cent */
export const percent = z
  .written<number>((text) => {
    const number = /^(\d+(?:\.\d+)?)\s*%$/.exec(text)?.[1];
    if (number !== undefined && Number(number) <= 100) return Number(number);
    return { expected: 'a share with its sign, as 1% or 0.1%, up to 100%' };
  })
  .meta({ anyOf: undefined, type: 'string', pattern: '^\\d+(\\.\\d+)?\\s*%$' });

const rates: Readonly<Record<string, number>> = { kbit: 1e-3, mbit: 1, gbit: 1e3 };

/** -> Mbit/s */
export const bitRate = z
  .written<number>((text) => {
    const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([kmg]bit)$/i.exec(text) ?? [];
    const rate = Number(number) * (rates[unit?.toLowerCase() ?? ''] ?? Number.NaN);
    if (rate >= 0.001 && rate <= 100_000) return rate;
    return { expected: 'a rate with its unit, as 10mbit, from 1kbit to 100gbit' };
  })
  .meta({ anyOf: undefined, type: 'string', pattern: '^\\d+(\\.\\d+)?\\s*[kKmMgG]bit$' });
