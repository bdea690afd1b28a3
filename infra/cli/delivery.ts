import { setFlagsFromString } from 'node:v8';
import { Command } from 'commander';
import { deliverySchema } from '../../shared/config.ts';
import { createLogger } from '../../shared/log.ts';
import { addSettings } from './options.ts';
import { announce, stopOnSignal } from './service.ts';

export function deliveryCommand(): Command {
  const command = new Command('delivery')
    .summary('serve the connections that a head hands over')
    .description('Serves what a head hands over, and clients that come to its direct address.')
    .option('--config <FILE>', 'a JSON file of settings: these options in camelCase; the command line wins');
  addSettings(command, deliverySchema);
  return command
    .addHelpText(
      'after',
      '\nPrints one line of JSON when the head has welcomed it; waits for a head that is not there yet.',
    )
    .action(async ({ config, ...settings }: { config?: string }) => {
      keepConnectionsYoung();
      const { startDelivery } = await import('../../delivery/serve.ts');
      const log = createLogger('delivery');
      const { error: logError } = log;
      // What keeps it from being ready ends the command, which tells it: not twice.
      log.error = () => {};
      const delivery = await startDelivery(settings, { configFile: config, log });
      stopOnSignal({
        stop: () => delivery.stop(),
        reload: async () => delivery.reload(),
      });
      try {
        await delivery.ready;
      } catch (error) {
        await delivery.stop();
        throw error;
      }
      log.error = logError;
      announce({
        ready: 'delivery',
        name: delivery.name,
        direct: delivery.direct,
        ...(delivery.metrics === null ? {} : { metrics: delivery.metrics }),
        pid: process.pid,
      });
    });
}

/**
 * V8 may conclude from one collection in which many connections were open that some of their objects live long, and
 * make these old from then on. They are not, and what they point at is kept until the next full collection (measured,
 * in one of three runs: 9 of 35 MB outlived each collection, which took 25 ms instead of 1).
 */
function keepConnectionsYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring');
}
