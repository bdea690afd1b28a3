import type { Case } from '../report/schema.ts';
import { formatMicros } from '../report/table.ts';

/**
 * The answer in one sentence. It calls one way faster only when it was so in every round; over fewer than three rounds
 * it gives the figures and no verdict.
 */
export function compareModes(cases: readonly Case[]): string {
  const find = (name: string) => cases.find((each) => each.name === name);
  const handoff = find('handoff');
  const redirect = find('redirect');
  if (!handoff?.summary || !redirect?.summary) return 'Too little was measured to compare the modes.';
  if (handoff.summary.latency.count === 0 || redirect.summary.latency.count === 0) {
    return 'No visit succeeded in one of the modes, so they cannot be compared; see the failures.';
  }
  const here = handoff.summary.p50.median;
  const there = redirect.summary.p50.median;
  const direct = find('direct')?.summary?.p50.median;
  const base = direct ? ` (${formatMicros(direct)} straight to a delivery)` : '';
  const figures = `half of all visits took at most ${formatMicros(here)} with a handoff${base} and ${formatMicros(there)} with a 307 redirect`;
  return `On this machine ${figures}${verdict(handoff, redirect, here, there)}${cpu(handoff, redirect)}.`;
}

function verdict(handoff: Case, redirect: Case, here: number, there: number): string {
  const pairs = handoff.rounds.flatMap((mine) => {
    const theirs = redirect.rounds.find((round) => round.round === mine.round);
    return theirs ? [Math.sign(mine.visits.latency.p50 - theirs.visits.latency.p50)] : [];
  });
  if (pairs.length < 3) return '';
  const percent = Math.round((Math.abs(there - here) / there) * 100);
  if (pairs.every((sign) => sign < 0))
    return `: handing over was ${percent} % quicker, in every one of ${pairs.length} rounds`;
  if (pairs.every((sign) => sign > 0))
    return `: the redirect was quicker, in every one of ${pairs.length} rounds`;
  return `: no clear difference, as neither was quicker in all ${pairs.length} rounds`;
}

function cpu(handoff: Case, redirect: Case): string {
  const mine = handoff.summary?.headCpuMicrosPerConnection?.median;
  const theirs = redirect.summary?.headCpuMicrosPerConnection?.median;
  if (!mine || !theirs) return '';
  return `; each connection cost the head ${mine.toFixed(0)} µs of CPU handed over and ${theirs.toFixed(0)} µs redirected`;
}
