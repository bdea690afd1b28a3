/** What mocha's and Node's own test runner say in TAP: https://testanything.org/tap-version-14-specification.html */
import type { Outcome } from './suite.ts';

const LINE = /^( *)(not )?ok \d+(?: - | )?(.*?)(?: # (SKIP|TODO).*| # time=.*)?$/i;

/** The tests themselves, by their full titles; not the groups and files that hold them. */
export function readTap(text: string): Outcome[] {
  const outcomes: Outcome[] = [];
  /** The tests and groups that have begun, by depth; what has had tests is a group. */
  const open: { title: string; isGroup: boolean; failed: boolean }[] = [];
  let last: { detail: string } | undefined;
  const seen = new Map<string, number>();
  for (const line of text.split('\n')) {
    const begun = /^( *)# Subtest: (.*)$/.exec(line);
    if (begun) {
      const depth = begun[1]!.length / 4;
      open.length = depth;
      if (depth > 0) open[depth - 1]!.isGroup = true;
      open.push({ title: begun[2]!, isGroup: false, failed: false });
      continue;
    }
    const result = LINE.exec(line);
    if (!result) {
      if (last && /^\s+\S/.test(line)) last.detail += `${line}\n`;
      continue;
    }
    const [, indent, not, title, directive] = result;
    const depth = indent!.length / 4;
    const begunHere = open[depth];
    open.length = Math.min(open.length, depth);
    if (not) for (const around of open) around.failed = true;
    // A group fails with what is in it; only when nothing is to blame there, for itself.
    if (begunHere?.isGroup && !(not && !begunHere.failed)) continue;
    const full = [...open.map((one) => one.title), title!].join(' > ').replaceAll('\\#', '#');
    const times = (seen.get(full) ?? 0) + 1;
    seen.set(full, times);
    const outcome = {
      test: times === 1 ? full : `${full} (${times})`,
      result: directive ? ('skipped' as const) : not ? ('failed' as const) : ('passed' as const),
      detail: '',
    };
    outcomes.push(outcome);
    last = not ? outcome : undefined;
  }
  return outcomes;
}
