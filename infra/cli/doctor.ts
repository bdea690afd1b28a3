import { styleText } from 'node:util';
import { Command } from 'commander';
import { type Asked, type Role, roles } from '../doctor/check.ts';
import { checks } from '../doctor/checks/index.ts';
import { DOCTOR_SCHEMA, examine, isFit } from '../doctor/examine.ts';
import { type Paint, plain, render } from '../doctor/render.ts';
import { thisMachine } from '../doctor/this-machine.ts';
import type { LabKind } from '../lab/kinds/kind.ts';
import { addresses, choice, hostPort, onLab } from './arguments.ts';

interface DoctorFlags extends Omit<Asked, 'vips'> {
  readonly as?: Role;
  readonly vip?: readonly string[];
  readonly json?: true;
  readonly on?: LabKind;
}

/** `baton doctor` */
export function doctorCommand(): Command {
  return new Command('doctor')
    .summary('what this machine can and cannot do, and how to fix it')
    .description(
      'Looks at what this machine has of what a head and deliveries on different hosts, and labs, need; changes nothing.',
    )
    .addOption(
      choice('--as <ROLE>', 'what it is to be (default: what the options are about, else all)', roles),
    )
    .option('--vip <ADDRESS>', 'the address that clients connect to; several as A,B', addresses('--vip'))
    .option('--head <HOST:PORT>', "a delivery's head: its --control", hostPort('--head'))
    .option('--secret <FILE>', 'the secret that head and delivery share')
    .option('--delivery <ADDRESS>', "of a delivery's host, for a head")
    .option('--interface <NAME>', 'the network card that clients come through, for a head')
    .option('--json', 'answer as JSON')
    .addOption(onLab('the machines of this lab instead', (kind) => kind.doctor !== undefined))
    .addHelpText(
      'after',
      '\nExit code 1 when something is lacking. Head and deliveries on one host need the first part only.',
    )
    .action(doctor);
}

async function doctor(flags: DoctorFlags): Promise<void> {
  if (flags.on) return await doctorOnLab(flags.on, flags.json === true);
  const asked = { ...flags, vips: flags.vip ?? [] };
  const groups = await examine(checks, thisMachine(), asked, rolesOf(flags));
  const fit = isFit(groups);
  const text = flags.json
    ? JSON.stringify({ schema: DOCTOR_SCHEMA, fit, groups })
    : render(groups, process.stdout.isTTY ? colours : plain);
  process.stdout.write(`${text}\n`);
  if (!fit) process.exitCode = 1;
}

async function doctorOnLab(lab: LabKind, json: boolean): Promise<void> {
  const hosts = await lab.doctor!();
  const fit = hosts.every((each) => each.fit);
  const paint = process.stdout.isTTY ? colours : plain;
  const text = json
    ? JSON.stringify({ schema: DOCTOR_SCHEMA, fit, hosts })
    : hosts.map(({ host, groups }) => `${host}\n\n${render(groups, paint)}`).join('\n\n\n');
  process.stdout.write(`${text}\n`);
  if (!fit) process.exitCode = 1;
}

/** Each of these options is about one of the two. */
function rolesOf({ as, head, delivery, interface: card }: DoctorFlags): readonly Role[] {
  if (as !== undefined) return [as];
  const about: Role[] = [
    ...(delivery !== undefined || card !== undefined ? ['head' as const] : []),
    ...(head !== undefined ? ['delivery' as const] : []),
  ];
  return about.length > 0 ? about : roles;
}

const styles = { ok: 'green', warning: 'yellow', lacking: 'red', unknown: 'cyan' } as const;
const colours: Paint = (outcome, text) => styleText(styles[outcome], text);
