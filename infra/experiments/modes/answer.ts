import type { Case, ReportComparison } from '../../report/schema.ts';
import { formatMicros } from '../../terminal/figures.ts';
import { findCase, handoffsBeside, p50Of, waysIn } from '../kit/findings.ts';
import { isHandoff } from '../kit/ways.ts';

/** The answer in a sentence: the medians, what may be called a difference between them, and the head's CPU. */
export function answerOf(cases: readonly Case[], comparisons: readonly ReportComparison[]): string {
  const redirect = findCase(cases, 'redirect', null);
  const there = p50Of(redirect);
  const handoffs = waysIn(cases)
    .filter(isHandoff)
    .map((way) => findCase(cases, way, null))
    .filter((each) => each !== undefined);
  if (handoffs.length === 0 || !redirect?.summary || handoffs.some(({ summary }) => !summary))
    return 'Too little was measured to compare the modes.';
  if (there === undefined || handoffs.some((each) => p50Of(each) === undefined))
    return 'No visit succeeded in one of the modes, so they cannot be compared; see the failures.';
  const direct = p50Of(findCase(cases, 'direct', null));
  const base = direct ? `${formatMicros(direct)} straight to a delivery, ` : '';
  const here = handoffs.map((each) => `${formatMicros(p50Of(each)!)} by ${each.way}`).join(', ');
  const verdicts = handoffsBeside('redirect', 'p50', cases, comparisons);
  return `On this machine half of all visits took at most ${base}${here} and ${formatMicros(there)} with a 307 redirect: ${verdicts.join('; ')}${cpu(handoffs, redirect)}.`;
}

function cpu(handoffs: readonly Case[], redirect: Case): string {
  const micros = ({ summary }: Case) => summary?.headCpuMicrosPerConnection?.median;
  const theirs = micros(redirect);
  const mine = handoffs.flatMap((each) => {
    const own = micros(each);
    return own ? [`${own.toFixed(0)} µs by ${each.way}`] : [];
  });
  if (mine.length === 0 || !theirs) return '';
  return `. Each connection cost the head ${mine.join(', ')} and ${theirs.toFixed(0)} µs redirected`;
}
