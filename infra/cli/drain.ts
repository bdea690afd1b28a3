import { Command } from 'commander';
import { setDrain } from '../admin-client.ts';
import { type AnyHeadOptions, addAnyHeadOptions, withHead } from './running-head.ts';

function command(name: string, on: boolean, summary: string, description: string): Command {
  return addAnyHeadOptions(
    new Command(name).summary(summary).description(description).argument('<NAME>', "the delivery's name"),
  ).action(async (delivery: string, options: AnyHeadOptions) => {
    await withHead(options, (admin) => setDrain(admin, delivery, on));
    process.stdout.write(`${delivery}: ${on ? 'draining' : 'up'}\n`);
  });
}

export const drainCommand = (): Command =>
  command(
    'drain',
    true,
    'give a delivery no more connections; it serves those that it has',
    'Gives a delivery no more connections; it goes on serving those that it has.',
  );

export const undrainCommand = (): Command =>
  command(
    'undrain',
    false,
    'give a drained delivery connections again',
    'Gives a drained delivery connections again.',
  );
