/**
 * So many hexadecimal digits, at most 12, that nobody else has, as far as chance goes; not for secrets. (To load node:crypto takes a
 * process 5 ms of CPU.)
 */
export const randomId = (digits: number): string =>
  Math.floor(Math.random() * 16 ** digits)
    .toString(16)
    .padStart(digits, '0');
