/** What was found, as a person reads it in a terminal. */
import type { Outcome } from './check.ts';
import { type Examined, type Group, isFit } from './examine.ts';

const titles: Readonly<Record<Group['role'], string>> = {
  any: 'every part of Baton',
  head: 'head: hands connections to deliveries on other hosts',
  delivery: 'delivery: adopts connections of a head on another host',
  lab: 'lab: runs experiments, tests and load on this machine',
};

const marks: Readonly<Record<Outcome, string>> = { ok: '✓', warning: '!', lacking: '✗', unknown: '?' };

export type Paint = (outcome: Outcome, text: string) => string;
export const plain: Paint = (_outcome, text) => text;

export function render(groups: readonly Group[], paint: Paint = plain): string {
  const width = Math.max(...groups.flatMap(({ findings }) => findings.map(({ check }) => check.length)));
  const blocks = groups.map(({ role, findings }) =>
    [titles[role], ...findings.flatMap((finding) => line(finding, width, paint))].join('\n'),
  );
  return [...blocks, closing(groups)].join('\n\n');
}

function line({ check, outcome, found, fix }: Examined, width: number, paint: Paint): string[] {
  const first = `  ${paint(outcome, marks[outcome])} ${check.padEnd(width)}  ${found}`;
  return fix === undefined ? [first] : [first, `${' '.repeat(width + 6)}-> ${fix}`];
}

/** Whether it will do, and what to know about the commands. */
function closing(groups: readonly Group[]): string {
  const findings = groups.flatMap((group) => group.findings);
  const count = (outcome: Outcome) => findings.filter((finding) => finding.outcome === outcome).length;
  const verdict = isFit(groups)
    ? 'nothing that is needed is lacking'
    : `lacking: ${groups.flatMap(lacksOf).join('; ')}`;
  const warnings = count('warning');
  const unknown = count('unknown');
  const rest = [
    ...(warnings > 0 ? [`${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`] : []),
    ...(unknown > 0 ? [`${unknown} not known`] : []),
  ];
  const lines = [[verdict, ...rest].join(', ')];
  const fades = findings.some(({ fix }) => /sysctl -w|ip addr|ulimit/.test(fix ?? ''));
  if (fades)
    lines.push(
      'sysctl, ip and ulimit last until the next start: /etc/sysctl.d, the network and service files keep them',
    );
  return lines.join('\n');
}

function lacksOf({ role, findings }: Group): string[] {
  const names = findings.filter(({ outcome }) => outcome === 'lacking').map(({ check }) => check);
  if (names.length === 0) return [];
  return [`${role === 'any' ? 'every part' : role} ${names.join(', ')}`];
}
