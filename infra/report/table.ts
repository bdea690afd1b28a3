/** Tables and figures for a terminal: plain text, columns wide enough for their longest cell. */

/** The first column is text, to the left; the others are figures, to the right. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]) =>
    widths
      .map((width, column) => {
        const cell = row[column] ?? '';
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width)).join('──');
  return [line(header), rule, ...rows.map(line)].join('\n');
}

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
