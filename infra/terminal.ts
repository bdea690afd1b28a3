/** What is printed for people, fitted to the width of their terminal. What is piped is never cut. */

/** Columns; `COLUMNS` as for ps(1) and its like. */
export function terminalWidth(stream: { readonly columns?: number } = process.stdout): number {
  const asked = Number(process.env.COLUMNS);
  if (Number.isInteger(asked) && asked > 0) return asked;
  return stream.columns ?? Infinity;
}

/** A text of many parts, broken after commas and colons, and between words that two spaces part. */
export function wrap(text: string, width: number): string {
  const lines: string[] = [];
  let line = '';
  for (const part of text.split(/(?<=[,:]) | {2}/)) {
    const joined = line === '' ? part : `${line}${/[,:]$/.test(line) ? ' ' : '  '}${part}`;
    if (joined.length <= width || line.trim() === '') {
      line = joined;
    } else {
      lines.push(line);
      line = `  ${part}`;
    }
  }
  return [...lines, line].join('\n');
}

/** Below this a shortened cell says nothing any more. */
const LEAST = 8;
const GAP = 2;

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
const widthOf = (rows: readonly (readonly string[])[]): number =>
  widthsOf(rows).reduce((sum, width) => sum + width + GAP, -GAP);
