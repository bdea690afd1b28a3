/** The admin interfaces of the lab's heads, for commands that ask or steer them from here. */
import { BatonError } from '../../../shared/errors.ts';
import type { NamedHead } from '../kinds/kind.ts';
import { CONNECT_SECONDS } from './connection.ts';
import { Connections } from './connections.ts';
import { isHead, notUp, readSshConfig, type SshConfig } from './machines.ts';

/** Lets `use` talk to all heads of the lab. Of two one may be out of reach: nobody answers for it then. */
export async function withVagrantHeads<T>(use: (heads: readonly NamedHead[]) => Promise<T>): Promise<T> {
  const connections = await Connections.open();
  const interrupt = (signal: NodeJS.Signals) =>
    void connections.close().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    return await use(await reach(connections));
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    await connections.close();
  }
}

async function reach(connections: Connections): Promise<readonly NamedHead[]> {
  // What Vagrant said last still holds most of the time, and saves seconds.
  const known = await readSshConfig(true);
  return await reachThese(connections, known).catch(async () => {
    const config = await readSshConfig();
    return await reachThese(connections, config).catch((error: unknown) => {
      throw error instanceof BatonError && error.code === 'MISSING_TOOL' ? error : notUp(error);
    });
  });
}

/** Throws what is wrong with the first when there is a way to none of them. */
async function reachThese(connections: Connections, config: SshConfig): Promise<readonly NamedHead[]> {
  const machines = config.machines.filter(isHead);
  const outcomes = await Promise.allSettled(
    machines.map((machine) => connections.to(config, machine, CONNECT_SECONDS.asked)),
  );
  const [first] = outcomes;
  if (first?.status === 'rejected' && outcomes.every(({ status }) => status === 'rejected'))
    throw first.reason;
  return machines.map((machine) => ({ name: machine, admin: connections.admin(machine) }));
}
