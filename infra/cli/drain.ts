import { Command } from 'commander';
import { drainByMoving, setDrain } from '../admin-client.ts';
import { type AnyHeadOptions, addAnyHeadOptions, withHead } from './running-head.ts';

const command = (name: string, summary: string, description: string): Command =>
  addAnyHeadOptions(
    new Command(name).summary(summary).description(description).argument('<NAME>', "the delivery's name"),
  );

export const drainCommand = (): Command =>
  command(
    'drain',
    'give a delivery no more connections; it serves those that it has',
    'Gives a delivery no more connections; it goes on serving those that it has. With --move other deliveries get them, between two requests; `baton status` shows how many are left.',
  )
    .option('--move', 'have other deliveries get the connections that it has')
    .action(async (delivery: string, options: AnyHeadOptions & { readonly move?: boolean }) => {
      let does = 'draining';
      await withHead(options, async (admin) => {
        if (!options.move) return await setDrain(admin, delivery, true);
        const moves = await drainByMoving(admin, delivery);
        does = moves ? 'draining, its connections move' : 'draining; it cannot give back what it has';
      });
      process.stdout.write(`${delivery}: ${does}\n`);
    });

export const undrainCommand = (): Command =>
  command(
    'undrain',
    'give a drained delivery connections again',
    'Gives a drained delivery connections again.',
  ).action(async (delivery: string, options: AnyHeadOptions) => {
    await withHead(options, (admin) => setDrain(admin, delivery, false));
    process.stdout.write(`${delivery}: up\n`);
  });
