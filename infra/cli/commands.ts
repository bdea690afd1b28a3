/** Every command of the command line: a line here and a file beside this one. */
import { Command } from 'commander';
import { version } from '../../shared/version.ts';

interface Listed {
  readonly name: string;
  /** As `baton --help` shows it; the command says the same of itself. */
  readonly usage: string;
  readonly summary: string;
  /** Loaded when it is called for: a head has no use for what draws a report. */
  readonly load: () => Promise<Command>;
}

const commands: readonly Listed[] = [
  {
    name: 'head',
    usage: '[options]',
    summary: 'accept connections and pass them on',
    load: async () => (await import('./head.ts')).headCommand(),
  },
  {
    name: 'keeper',
    usage: '[options] -- [HEAD-OPTIONS]',
    summary: 'run a head, and start it again when it dies',
    load: async () => (await import('./keeper.ts')).keeperCommand(),
  },
  {
    name: 'delivery',
    usage: '[options]',
    summary: 'serve the connections that a head hands over',
    load: async () => (await import('./delivery.ts')).deliveryCommand(),
  },
  {
    name: 'mode',
    usage: '[options] [MODE]',
    summary: "show or switch the running head's mode",
    load: async () => (await import('./mode.ts')).modeCommand(),
  },
  {
    name: 'status',
    usage: '[options]',
    summary: 'what the running head and its deliveries are doing',
    load: async () => (await import('./status.ts')).statusCommand(),
  },
  {
    name: 'reload',
    usage: '[options]',
    summary: 'have the running head read its configuration again',
    load: async () => (await import('./reload.ts')).reloadCommand(),
  },
  {
    name: 'drain',
    usage: '[options] <NAME>',
    summary: 'give a delivery no more connections; it serves those that it has',
    load: async () => (await import('./drain.ts')).drainCommand(),
  },
  {
    name: 'undrain',
    usage: '[options] <NAME>',
    summary: 'give a drained delivery connections again',
    load: async () => (await import('./drain.ts')).undrainCommand(),
  },
  {
    name: 'upgrade',
    usage: '[options]',
    summary: 'replace the running head by a new process, without losing a connection',
    load: async () => (await import('./upgrade.ts')).upgradeCommand(),
  },
  {
    name: 'steering',
    usage: '[options] <INTERFACE>',
    summary: 'the flows that this host sends on to others, and their removal',
    load: async () => (await import('./steering.ts')).steeringCommand(),
  },
  {
    name: 'visit',
    usage: '[options] <URL...>',
    summary: 'visit a server at a steady rate and measure how long each visit takes',
    load: async () => (await import('./visit.ts')).visitCommand(),
  },
  {
    name: 'compare',
    usage: '[options] <REPORT...>',
    summary: 'hold reports of one experiment against the first of them',
    load: async () => (await import('./compare.ts')).compareCommand(),
  },
  {
    name: 'lab',
    usage: '[options] <EXPERIMENT>',
    summary: 'run an experiment and write a report of it',
    load: async () => (await import('./lab.ts')).labCommand(),
  },
  {
    name: 'live',
    usage: '[options]',
    summary: 'a page that shows and steers the running head, each second',
    load: async () => (await import('./live.ts')).liveCommand(),
  },
  {
    name: 'doctor',
    usage: '[options]',
    summary: 'what this machine can and cannot do, and how to fix it',
    load: async () => (await import('./doctor.ts')).doctorCommand(),
  },
  {
    name: 'completion',
    usage: '[options] <SHELL>',
    summary: 'print what makes a shell complete these commands',
    load: async () => (await import('./completion.ts')).completionCommand(() => program('all')),
  },
];

/** What a listing shows of a command without loading it. */
const listed = ({ name, usage, summary }: Listed): Command =>
  new Command(name).usage(usage).description(summary);

/** `wanted`: the one command that is about to run; the others are listed only. `all` has every one. */
export async function program(wanted: string | 'all'): Promise<Command> {
  const root = new Command('baton')
    .description('Hands a live TCP connection to another server, or tells the client where to go.')
    .version(version);
  for (const command of commands)
    root.addCommand(wanted === 'all' || wanted === command.name ? await command.load() : listed(command));
  return root;
}
