/**
 * What people write behind options, read and checked. Each function answers a parser for the option that it names; what it
 * refuses is one line that says what to give.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { Option } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import { formatDuration, type HostPort, parseDuration, parseHostPort } from '../../shared/units.ts';
import { labKinds } from '../lab/kinds/index.ts';
import type { LabKind } from '../lab/kinds/kind.ts';
import { type Distribution, LIFETIME, parseDistribution, REQUESTS } from '../visits/distribution.ts';

type Parser<T> = (text: string) => T;

function parser<T>(option: string, problem: string, read: (text: string) => T | undefined): Parser<T> {
  return (text) => {
    const value = read(text);
    if (value !== undefined) return value;
    throw new BatonError('BAD_OPTION', { option, problem, value: JSON.stringify(text) });
  };
}

const within = (value: number, least: number, most: number) =>
  value >= least && value <= most ? value : undefined;

export const number = (option: string, least: number, most: number): Parser<number> =>
  parser(option, `give a number from ${least} to ${most}`, (text) =>
    /^\d+(\.\d+)?$/.test(text) ? within(Number(text), least, most) : undefined,
  );

/** `because`: of the bounds, said behind them. */
export const whole = (option: string, least: number, most: number, because = ''): Parser<number> =>
  parser(option, `give a whole number from ${least} to ${most}${because}`, (text) =>
    /^\d+$/.test(text) ? within(Number(text), least, most) : undefined,
  );

/** -> milliseconds. `bare`: what a number without a unit is in; people say `--duration 10` and mean seconds. */
export const duration = (
  option: string,
  leastMs: number,
  mostMs: number,
  bare: 's' | 'ms' = 'ms',
): Parser<number> => {
  const bounds = `from ${formatDuration(leastMs)} to ${formatDuration(mostMs)}`;
  return parser(option, `give a duration such as 2.5s or 500ms, ${bounds}`, (text) => {
    const millis = parseDuration(/^[\d.]+$/.test(text) ? `${text}${bare}` : text);
    return millis === undefined ? undefined : within(millis, leastMs, mostMs);
  });
};

/** Requests of a visit: the same for all, or what they are drawn from. */
export const requests = (option: string): Parser<Distribution> =>
  parser(
    option,
    `give a whole number from 1 to ${REQUESTS.most}, or uniform:1-9, geometric:3, exponential:3, file:FILE with such a number a line`,
    (text) =>
      parseDistribution(text, {
        ...REQUESTS,
        read: (written) =>
          /^\d+(\.\d+)?$/.test(written) ? wholeUnlessMean(text, Number(written)) : undefined,
        readFile: (file) => readDrawn(option, file),
      }),
  );

/** A mean need not be whole. */
const wholeUnlessMean = (text: string, value: number) =>
  /^(geometric|exponential):/.test(text.trim()) || Number.isInteger(value) ? value : undefined;

/** How long a visitor stays; bare numbers are seconds. */
export const lifetime = (option: string): Parser<Distribution> =>
  parser(
    option,
    `give a duration up to ${formatDuration(LIFETIME.most)}, or uniform:1s-9s, exponential:5s, file:FILE with a duration a line`,
    (text) =>
      parseDistribution(text, {
        ...LIFETIME,
        read: (written) => parseDuration(/^[\d.]+$/.test(written) ? `${written}s` : written),
        readFile: (file) => readDrawn(option, file),
      }),
  );

function readDrawn(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const problem = `cannot read it: ${(error as Error).message}`;
    throw new BatonError('BAD_OPTION', { option, problem, value: JSON.stringify(file) }, error);
  }
}

/** -> milliseconds since 1970 */
export const instant = (option: string): Parser<number> =>
  parser(option, 'give a time within a day, as in ISO 8601', (text) => {
    const at = Date.parse(text);
    return !Number.isNaN(at) && at - Date.now() <= 86_400_000 ? at : undefined;
  });

/** IP addresses. */
export const addresses = (option: string): Parser<string[]> =>
  parser(option, 'give an IP address, or several: A,B', (text) => {
    const all = text.split(',');
    return all.every((one) => isIP(one) !== 0) ? all : undefined;
  });

/** Of a server that runs. */
export const hostPort = (option: string): Parser<HostPort> =>
  parser(option, 'give HOST:PORT', (text) => {
    const address = parseHostPort(text);
    return address !== undefined && address.port > 0 ? address : undefined;
  });

const oneOf = <T extends string>(option: string, known: readonly T[]): Parser<T> =>
  parser(option, `give one of ${known.join(', ')}`, (text) => known.find((value) => value === text));

/** An option that is one of several words. Not `choices()`, which would say less well what is wrong. */
export function choice<T extends string>(flags: string, description: string, known: readonly T[]): Option {
  const option = new Option(flags, description);
  option.argChoices = [...known];
  return option.argParser(oneOf(option.long!, known));
}

/** `--on LAB`, of the kinds of lab that can do what is asked of them. */
export function onLab(description: string, can: (kind: LabKind) => boolean): Option {
  const able = labKinds.filter(can);
  const names = able.map(({ name }) => name);
  const option = new Option('--on <LAB>', description);
  option.argChoices = names;
  const read = oneOf('--on', names);
  return option.argParser((text) => able[names.indexOf(read(text))]!);
}

/** Of a web server, without user and password. */
export const url = (option: string): Parser<string> =>
  parser(option, 'give http://HOST:PORT/PATH', (text) => {
    if (!URL.canParse(text)) return undefined;
    const { protocol, username, password, hash } = new URL(text);
    return protocol === 'http:' && username === '' && password === '' && hash === '' ? text : undefined;
  });
