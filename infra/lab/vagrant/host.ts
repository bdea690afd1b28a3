/** A virtual machine as a host of the lab. */
import { join, relative } from 'node:path';
import { z } from 'zod';
import { BatonError } from '../../../shared/errors.ts';
import { directionsOf } from '../delay/wire.ts';
import type { Host, Service } from '../lab.ts';
import { netemArguments } from '../netns/link.ts';
import { baton, nameOf } from '../service.ts';
import { alignClock } from './clock.ts';
import type { Connection } from './connection.ts';
import { isHead, project } from './machines.ts';

export interface VagrantHost extends Host {
  /** On the lab's network, IPv4. */
  readonly address: string;
  /** The address that the head shares with its deliveries. */
  readonly vip: string;
  readonly interface: string;
  /** The addresses of the heads that it was set up for. */
  readonly heads: readonly string[];
  readonly connection: Connection;
  /** Ends the services here, so that an experiment finds nothing running, or lets those run that do after a boot. */
  readonly services: (what: 'clear' | 'restore') => Promise<void>;
  /** Sets its clock to the one here. */
  readonly alignClock: () => Promise<void>;
  /** Of two heads: the host takes part in having the address, from the start; or does not. */
  readonly share: (part: 'start' | 'stop') => Promise<void>;
  /** The shared address is here. */
  readonly hasAddress: () => Promise<boolean>;
}

const GUEST_PROJECT = '/opt/baton';
const script = (name: string) => `${GUEST_PROJECT}/infra/vagrant/guest/${name}`;

/** `admin`: where the head's admin socket is reached from here, for hosts that run a head. */
export async function createHost(connection: Connection, admin?: string): Promise<VagrantHost> {
  const facts = parseFacts(await connection.run(['cat', '/etc/baton/host.env'], 'reading what the host is'));
  const name = facts.BATON_NAME;
  return {
    name,
    address: facts.BATON_ADDRESS,
    vip: facts.BATON_VIP,
    interface: facts.BATON_INTERFACE,
    heads: facts.BATON_HEADS.split(' '),
    connection,
    baton,
    run: (command, options) => connection.run(toGuest(command), nameOf(command), options),
    start: (command) => startUnit(connection, command, admin),
    converse: (command, onLine) => connection.converse(toGuest(command), onLine),
    async setLink(link) {
      if (isHead(connection.machine)) {
        const problem =
          "the head's cable cannot be changed in this lab, as its card steers what comes in; change those of the others";
        throw new BatonError('LAB_FAILED', { problem });
      }
      const directions = directionsOf(link);
      const nothing = [directions.out, directions.in].every((each) => Object.keys(each).length === 0);
      const both = [...netemArguments(directions.out), '--', ...netemArguments(directions.in)];
      await connection.run([script('cable'), ...(nothing ? [] : both)], 'setting what the cable does');
    },
    async services(what) {
      await connection.run([script('service'), what], `${what} of the services`);
    },
    async alignClock() {
      await alignClock(name, (onLine) => connection.converse([script('clock')], onLine));
    },
    async share(part) {
      await connection.run([script('service'), 'share', part], `${part} of keepalived`);
    },
    async hasAddress() {
      const shown = await connection.run(['ip', '-4', '-oneline', 'address', 'show'], 'ip');
      return shown.includes(` ${facts.BATON_VIP}/`);
    },
  };
}

/** This machine's node, and files of this checkout, are meant as the guest has them. */
const toGuest = (command: readonly string[]): string[] =>
  command.map((word) => {
    if (word === process.execPath) return `${GUEST_PROJECT}/node_modules/node/bin/node`;
    return word.startsWith(project) ? join(GUEST_PROJECT, relative(project, word)) : word;
  });

const factsSchema = z.object({
  BATON_NAME: z.string(),
  BATON_ADDRESS: z.string(),
  BATON_VIP: z.string(),
  BATON_INTERFACE: z.string(),
  // Machines of earlier releases do not say; they are set up anew.
  BATON_HEADS: z.string().default(''),
});

function parseFacts(text: string): z.output<typeof factsSchema> {
  const pairs = [...text.matchAll(/^(\w+)="?([^"\n]*)"?$/gm)].map(([, name, value]) => [name!, value!]);
  return factsSchema.parse(Object.fromEntries(pairs));
}

/** Only heads and deliveries are services here: each is the unit that every boot starts, with other arguments. */
async function startUnit(
  connection: Connection,
  command: readonly string[],
  admin: string | undefined,
): Promise<Service> {
  const [verb, ...args] = command.slice(baton.length);
  if (!baton.every((word, index) => word === command[index]) || (verb !== 'head' && verb !== 'delivery')) {
    const problem = `the Vagrant lab runs heads and deliveries as services, and not: ${command.join(' ')}`;
    throw new BatonError('LAB_FAILED', { problem });
  }
  // The unit splits its arguments at spaces.
  const odd = args.find((arg) => !/^[\w@%+=:,./[\]-]+$/.test(arg));
  if (odd !== undefined)
    throw new BatonError('LAB_FAILED', { problem: `not an argument for a unit: ${odd}` });
  const name = verb === 'head' ? 'head' : `delivery@${args[args.indexOf('--name') + 1]}`;
  const service = (what: string, ...rest: string[]) =>
    connection.run([script('service'), what, name, ...rest], `${what} of baton ${verb}`);
  const ready = readyLine(await service('start', ...args));
  let stopping: Promise<unknown> | undefined;
  return {
    ready: verb === 'head' ? { ...ready, admin } : ready,
    pid: ready.pid,
    async stop() {
      stopping ??= service('stop');
      await stopping;
    },
    async kill() {
      await service('kill');
    },
    async freeze() {
      await service('signal', 'STOP');
    },
    async resume() {
      await service('signal', 'CONT');
    },
  };
}

function readyLine(text: string): { pid: number } {
  try {
    return z.looseObject({ pid: z.number() }).parse(JSON.parse(text));
  } catch (error) {
    const problem = `a service did not say that it is ready, but: ${text.slice(0, 200)}`;
    throw new BatonError('LAB_FAILED', { problem }, error);
  }
}
