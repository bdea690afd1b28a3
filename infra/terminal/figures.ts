/** Figures as a person reads them, in terminals and in reports. */

/** Microseconds -> milliseconds with three significant digits: `0.312 ms`, `4.31 ms`, `120 ms`. */
export function formatMicros(micros: number): string {
  const millis = micros / 1000;
  const digits = millis >= 100 ? 0 : millis >= 10 ? 1 : millis >= 1 ? 2 : 3;
  return `${millis.toFixed(digits)} ms`;
}

/** Names and counts on one line, `-` for none. */
export function formatCounts(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts)
    .sort((one, other) => other[1] - one[1])
    .map(([name, count]) => `${name} ${count}`);
  return parts.length === 0 ? '-' : parts.join(', ');
}

/** With its sign: `+5.02 ms`, `−101 ms`. */
export function formatDifference(micros: number): string {
  return `${micros < 0 ? '−' : '+'}${formatMicros(Math.abs(micros))}`;
}

export const formatP = (p: number): string => (p < 0.001 ? '< 0.001' : p.toFixed(3));

/** A place on an axis with its unit; bytes in kB and MB. */
export function formatAxis(value: number, unit: string): string {
  if (unit === 'bytes' || unit === 'B')
    return value >= 1e6 ? `${value / 1e6} MB` : value >= 1000 ? `${value / 1000} kB` : `${value} B`;
  return unit === '' ? String(value) : `${value} ${unit}`;
}
