/** Runs the checks, at once, and sorts what they found by whom it matters to. */
import { type Asked, type Check, type Finding, type Role, roles, unknown } from './check.ts';
import type { Machine } from './machine.ts';

/** The version of the JSON that `baton doctor --json` prints. A 1, which does not say its number, calls `mend` what is `fix` in a 2. */
export const DOCTOR_SCHEMA = 2;

export interface Examined extends Finding {
  readonly check: string;
}

export interface Group {
  /** `any`: what every role needs. */
  readonly role: Role | 'any';
  readonly findings: readonly Examined[];
}

export async function examine(
  checks: readonly Check[],
  machine: Machine,
  asked: Asked,
  wanted: readonly Role[],
): Promise<Group[]> {
  const general = checks.filter(isGeneral);
  const groups: [Group['role'], readonly Check[], Role][] = [
    ['any', general, wanted[0]!],
    ...wanted.map((role): [Role, readonly Check[], Role] => [
      role,
      checks.filter((check) => check.for.includes(role) && !isGeneral(check)),
      role,
    ]),
  ];
  return await Promise.all(
    groups.map(async ([name, own, role]) => {
      const found = await Promise.all(own.map((check) => tryOut(check, machine, asked, role)));
      return { role: name, findings: found.filter((finding) => finding !== undefined) };
    }),
  );
}

const isGeneral = (check: Check): boolean => roles.every((role) => check.for.includes(role));

/** A check that fails says nothing about the machine. */
async function tryOut(
  check: Check,
  machine: Machine,
  asked: Asked,
  role: Role,
): Promise<Examined | undefined> {
  try {
    const finding = await check.examine(machine, asked, role);
    return finding && { check: check.name, ...finding };
  } catch (error) {
    const problem = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return { check: check.name, ...unknown(`could not be looked at: ${problem}`) };
  }
}

export const isFit = (groups: readonly Group[]): boolean =>
  groups.every(({ findings }) => findings.every(({ outcome }) => outcome !== 'lacking'));
