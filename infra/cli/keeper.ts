import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { createLogger } from '../../shared/log.ts';
import { formatDuration } from '../../shared/units.ts';
import { Keeper } from '../keeper/keeper.ts';
import { otherSignals, stopSignals } from '../processes/signals.ts';
import { takeGivenSockets } from '../supervision/given.ts';
import { serviceManager } from '../supervision/service-manager.ts';
import { watchOver } from '../supervision/watchdog.ts';
import { duration } from './arguments.ts';

const main = fileURLToPath(new URL(`main${extname(import.meta.url)}`, import.meta.url));
/** As long as systemd has it in baton-head.service: busy is not dead. */
const WATCHDOG_MS = 30_000;
/** The head knows what to do with these. */
const passedOn: readonly string[] = ['SIGHUP', 'SIGUSR2'];

export function keeperCommand(): Command {
  return new Command('keeper')
    .summary('run a head, and start it again when it dies')
    .description(
      'Runs a head and keeps copies of the sockets that it listens with. When the head dies another one starts with them: who comes meanwhile waits, and nobody is refused.',
    )
    .usage('[options] -- [HEAD-OPTIONS]')
    .option(
      '--watchdog <DURATION>',
      `end a head that stands still for so long, and start the next (default: ${formatDuration(WATCHDOG_MS)})`,
      duration('--watchdog', 1000, 3_600_000, 's'),
    )
    .option('--no-watchdog', 'leave a head that stands still as it is')
    .argument('[HEAD-OPTIONS...]', 'as of baton head')
    .action(async (options: readonly string[], { watchdog }: { watchdog?: number | boolean }) => {
      const keeper = new Keeper({
        command: [process.execPath, ...process.execArgv, main, 'head', ...options],
        given: takeGivenSockets(),
        watchdogMs: watchdog === false ? 0 : typeof watchdog === 'number' ? watchdog : WATCHDOG_MS,
        onReady: () => serviceManager?.say('READY=1'),
        log: createLogger('keeper'),
      });
      let isStopping = false;
      const stop = (name: NodeJS.Signals, mayRepeat: boolean): void => {
        if (isStopping && mayRepeat) keeper.signal(name);
        if (!isStopping) serviceManager?.say('STOPPING=1');
        isStopping = true;
        keeper.stop();
      };
      for (const name of stopSignals) process.on(name, () => stop(name, true));
      for (const name of otherSignals)
        process.on(name, () => (passedOn.includes(name) ? keeper.signal(name) : stop(name, false)));
      // Not before it listens to signals: one that ended the keeper alone would leave a head that nobody looks after.
      keeper.start();
      watchOver(serviceManager, () => true);
      process.exitCode = await keeper.ended;
      // Signals may still be listened to.
      process.exit();
    });
}
