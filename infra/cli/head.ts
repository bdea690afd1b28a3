import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Command } from 'commander';
import { policies } from '../../head/choose/index.ts';
import type { Head } from '../../head/head.ts';
import { headSchema } from '../../shared/config.ts';
import { createLogger } from '../../shared/log.ts';
import { endProcess } from '../../shared/sys/end-process.ts';
import { trace } from '../../shared/trace.ts';
import { takeGivenSockets } from '../supervision/given.ts';
import { watchKeeper } from '../supervision/keeper-watch.ts';
import { Keeping } from '../supervision/keeping.ts';
import { serviceManager } from '../supervision/service-manager.ts';
import { watchOver } from '../supervision/watchdog.ts';
import { stopOnFailure } from './last-resort.ts';
import { addSettings } from './options.ts';
import { announce, stopOnSignal } from './service.ts';

export function headCommand(): Command {
  const command = new Command('head')
    .summary('accept connections and pass them on')
    .description('Accepts every connection and hands it to a delivery, or tells the client where to go.')
    .option('--config <FILE>', 'a JSON file of settings: these options in camelCase; the command line wins');
  command.option(
    '--take-over',
    'take over from the head that runs at these paths, without losing a connection',
  );
  addSettings(command, headSchema);
  const list = policies.map(({ name, summary }) => `  ${name.padEnd(18)} ${summary}`).join('\n');
  return command
    .addHelpText(
      'after',
      `\nPolicies:\n${list}\n\nPrints one line of JSON when it is ready. Logs go to stderr.`,
    )
    .action(async ({ config, takeOver, ...settings }: { config?: string; takeOver?: boolean }) => {
      const log = createLogger('head');
      const keeper = process.env.BATON_KEEPER_PID;
      const given = takeGivenSockets();
      const keeping = serviceManager && new Keeping(serviceManager, given);
      const told = new AbortController();
      const starting = import('../../head/index.ts').then(({ Inherited, startHead }) =>
        startHead(settings, {
          configFile: config,
          log,
          takeOver,
          stop: told.signal,
          successor: successorCommand(),
          inherited: new Inherited(given),
          ...(keeping && { onSockets: keeping.keep }),
        }),
      );
      let running: Head | undefined;
      stopOnSignal({
        // Clients wait in its queue from the middle of its start on; those of a successor are another head's until it has taken over.
        async stop() {
          told.abort();
          await (await starting).stop();
        },
        reload: async () => await reload(await starting),
        // What became of it is in the log.
        upgrade: () => void starting.then((head) => head.upgrade()).catch(() => {}),
        hasSuccessor: () => running?.isHandedOver ?? false,
      });
      const head = await starting;
      running = head;
      stopOnFailure(() => head.stop());
      announce(
        {
          ready: 'head',
          listen: head.listen,
          socket: head.socket,
          admin: head.admin,
          ...(head.metrics === null ? {} : { metrics: head.metrics }),
          ...(head.control === null ? {} : { control: head.control }),
          pid: process.pid,
        },
        takeOver,
      );
      // One that has a successor does not speak for it.
      watchOver(serviceManager, () => !head.isHandedOver && head.isTurning());
      if (keeper) watchKeeper(Number(keeper), log);
      keepHeapSmall();
      void head.left.then(leaveAtOnce);
      await head.ended;
      // What is left here, a metrics client that keeps its connection, say, is nobody's reason to stay.
      if (head.isHandedOver) process.exit(0);
    });
}

/**
 * To end threads and to tidy up takes a head 20 ms of CPU for each worker, which its successor wants just now. What traces say of
 * a thread's end takes the long way.
 */
function leaveAtOnce(successor: number): void {
  // One that somebody has started by hand could not tell whoever keeps this head.
  serviceManager?.say(`MAINPID=${successor}`);
  if (!trace) endProcess(0);
}

/** Visitors wait for deliveries just now, and of a successor's work a collection could learn nothing yet: so much later, milliseconds. */
const HEAP_LATER_MS = 1000;

/** This program as it was started, which may be of a newer release by now. */
const successorCommand = (): string[] => [
  process.execPath,
  ...process.execArgv,
  ...process.argv.slice(1),
  ...(process.argv.includes('--take-over') ? [] : ['--take-over']),
];

/** What came of it is in the head's log; systemd waits for its end. False: there is nothing to read. */
async function reload(head: Head): Promise<boolean> {
  if (!head.canReload) return false;
  serviceManager?.say('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  await head.reload().catch(() => {});
  serviceManager?.say('READY=1');
  return true;
}

/**
 * V8 would answer a wave of peers (100,000 that send garbage, say) with a heap of 100 MB and give none of it back to the
 * system: a young generation that grows, and an old one that it does not look at before it is large. What a head needs
 * after its start it needs for good, so the one stays as it is, and the other learns from a first collection how little that is.
 */
function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  const collect = () => {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    setFlagsFromString('--no-expose-gc');
  };
  setTimeout(collect, HEAP_LATER_MS).unref();
}
