/** Prints the environment of the machine that it runs on as one line of JSON; labs run it where their head is. */
import { readEnvironment } from './environment.ts';

process.stdout.write(`${JSON.stringify(await readEnvironment())}\n`);
