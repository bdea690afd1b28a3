import { Command } from 'commander';
import { drainByMoving, setDrain } from '../admin-client.ts';
import { type AnyHeadOptions, addAnyHeadOptions, askHeads, withHeads } from './running-head.ts';

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
      // Each asks for it: the delivery gives to the one that has the address.
      const moves = await withHeads(options, (heads) =>
        askHeads(heads, async (admin) =>
          options.move ? await drainByMoving(admin, delivery) : await setDrain(admin, delivery, true),
        ),
      );
      const given = [...moves.values()].some(Boolean);
      const moving = given ? 'draining, its connections move' : 'draining; it cannot give back what it has';
      const does = options.move ? moving : 'draining';
      process.stdout.write(`${delivery}: ${does}\n`);
    });

export const undrainCommand = (): Command =>
  command(
    'undrain',
    'give a drained delivery connections again',
    'Gives a drained delivery connections again.',
  ).action(async (delivery: string, options: AnyHeadOptions) => {
    await withHeads(options, (heads) => askHeads(heads, (admin) => setDrain(admin, delivery, false)));
    process.stdout.write(`${delivery}: up\n`);
  });
