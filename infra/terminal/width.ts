/** How wide a person's terminal is, and text that is fitted to it. */

/** Columns; `COLUMNS` as for ps(1) and its like. What is piped is never cut. */
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
