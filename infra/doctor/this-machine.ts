/** The machine that this process runs on. Parts in machine code are loaded when asked for: one may be what is broken. */
import { lookup } from 'node:dns/promises';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { runCommand, toolPath } from '../../shared/command.ts';
import { BatonError } from '../../shared/errors.ts';
import { readCards, readSetting } from '../../shared/host/cards.ts';
import type { Answer, Machine, Ran } from './machine.ts';

const RUN_WITHIN_MS = 10_000;
const LINK_IDLE_MS = 5000;

export function thisMachine(): Machine {
  return {
    uid: process.getuid!(),
    gid: process.getgid!(),
    node: process.versions.node,
    cards: readCards(),
    setting: readSetting,
    read,
    has,
    run,
    openFiles: async () => (await import('../../shared/sys/limits.ts')).openFilesLimit(),
    brokenParts,
    async canRepair() {
      const answer = (await import('../../shared/tcp-repair/index.ts')).canRepair();
      return answer === true || { code: answer.reason, problem: answer.text };
    },
    canSteer: () => answering(async () => (await steer()).tryToSteer()),
    hasBpffs: async () => (await steer()).hasBpffs(),
    async flowsOn(card) {
      let flows: Awaited<ReturnType<Machine['flowsOn']>>;
      const answer = await answering(async () => {
        const steering = await (await steer()).findSteering(card);
        if (!steering) return;
        flows = { count: steering.count(), capacity: steering.capacity };
        steering.close();
      });
      return answer === true ? flows : answer;
    },
    nextHop: (address) => answering(async () => (await steer()).resolveNextHop(address)),
    lookUp: async (host) => (await lookup(host)).address,
    secretUsable: (file) => answering(async () => (await secrets()).readSecret(file)),
    canLink: (head, file) =>
      answering(async () => {
        const { connectLink } = await import('../../shared/wire/remote/link.ts');
        const options = { secret: (await secrets()).readSecret(file), idleMs: LINK_IDLE_MS };
        const link = await connectLink(head, options, { onMessage() {}, onEnd() {} });
        // Not at once: the head would take the end of the handshake for a fault. It logs a link that left without a hello.
        link.end();
      }),
  };
}

const steer = () => import('../../head/steer/index.ts');
const secrets = () => import('../../shared/wire/remote/secret.ts');

/** Other errors than those of the catalogue are the doctor's own. */
async function answering(attempt: () => Promise<unknown>): Promise<Answer> {
  try {
    await attempt();
    return true;
  } catch (error) {
    if (!(error instanceof BatonError)) throw error;
    const { code, message, details } = error;
    const fix = details.fix === undefined ? {} : { fix: String(details.fix) };
    return { code, problem: String(details.problem ?? message), ...fix };
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function has(program: string): boolean {
  if (program.startsWith('/')) return existsSync(program);
  return toolPath()
    .split(delimiter)
    .some((folder) => {
      try {
        accessSync(join(folder, program), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

async function run(program: string, ...args: readonly string[]): Promise<Ran> {
  const ran = await runCommand(program, args, { withinMs: RUN_WITHIN_MS });
  return { ok: !ran.failed, stdout: ran.stdout, problem: ran.stderr.trim().split('\n')[0] || ran.problem };
}

async function brokenParts(): Promise<string[]> {
  const parts: Record<string, () => Promise<unknown>> = {
    koffi: () => import('koffi'),
    'node-unix-socket': () => import('node-unix-socket'),
  };
  const tried = Object.entries(parts).map(async ([name, load]) => {
    try {
      await load();
      return [];
    } catch (error) {
      return [`${name} (${(error as Error).message.split('\n')[0]})`];
    }
  });
  return (await Promise.all(tried)).flat();
}
