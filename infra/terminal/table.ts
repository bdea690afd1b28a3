/** Tables of plain text, for terminals: columns wide enough for their longest cell, or fitted to the width of a terminal. */

const GAP = 2;

/** The first column is text, to the left; the others are figures, to the right; a rule is below the header. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = widthsOf([header, ...rows]);
  const line = (row: readonly string[]) =>
    joined(widths.map((width, column) => pad(row[column] ?? '', width, column === 0)));
  return [line(header), '─'.repeat(totalOf(widths)), ...rows.map(line)].join('\n');
}

/** Every column is text, to the left; the first row is the header. */
export function formatTextTable(rows: readonly (readonly string[])[]): string {
  const widths = widthsOf(rows);
  return rows
    .map((row) => joined(widths.map((width, column) => pad(row[column] ?? '', width, true))))
    .join('\n');
}

const pad = (cell: string, width: number, left: boolean) =>
  left ? cell.padEnd(width) : cell.padStart(width);
const joined = (cells: readonly string[]) => cells.join(' '.repeat(GAP)).trimEnd();

/** Below this a shortened cell says nothing any more. */
const LEAST = 8;

/**
 * A table that is no wider than `width`: columns are left out in the order of `expendable` (their titles), then the widest
 * cells are shortened. The first row is the header.
 */
export function fitTable(
  rows: readonly (readonly string[])[],
  width: number,
  expendable: readonly string[] = [],
): readonly (readonly string[])[] {
  let fitted = rows;
  for (const title of expendable) {
    if (widthOf(fitted) <= width) return fitted;
    const column = fitted[0]!.indexOf(title);
    if (column >= 0) fitted = fitted.map((row) => row.toSpliced(column, 1));
  }
  const widths = widthsOf(fitted);
  for (let excess = widthOf(fitted) - width; excess > 0; ) {
    const widest = widths.indexOf(Math.max(...widths));
    const cut = Math.min(excess, widths[widest]! - LEAST);
    if (cut <= 0) break;
    widths[widest]! -= cut;
    excess -= cut;
  }
  return fitted.map((row) => row.map((cell, column) => shorten(cell, widths[column]!)));
}

/** Its beginning and its end: names often differ at either. */
function shorten(cell: string, width: number): string {
  if (cell.length <= width) return cell;
  const end = Math.floor((width - 1) / 3);
  return `${cell.slice(0, width - 1 - end)}…${cell.slice(cell.length - end)}`;
}

const widthsOf = (rows: readonly (readonly string[])[]): number[] =>
  rows[0]!.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
const totalOf = (widths: readonly number[]): number => widths.reduce((sum, width) => sum + width + GAP, -GAP);
const widthOf = (rows: readonly (readonly string[])[]): number => totalOf(widthsOf(rows));
