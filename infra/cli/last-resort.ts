/** What nobody has caught must not end a head in the middle of others' connections. */
import { Output } from '../../shared/output.ts';

/** On a failure that nobody has caught: calls `stop`, which passes on what there is, then ends the process with one line. */
export function stopOnFailure(stop: () => Promise<void>): void {
  let failed = false;
  const onFailure = (error: unknown): void => {
    // What goes wrong after it, or because of it, is not the reason.
    if (failed) return;
    failed = true;
    const end = (): never => {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      const line = `baton: ${message.split('\n')[0]} (unexpected; the head has passed on what it had; BATON_DEBUG=1 shows where)`;
      new Output(2, () => '').write(`${line}\n${process.env.BATON_DEBUG ? `${stack}\n` : ''}`);
      process.exit(1);
    };
    stop().then(end, end);
  };
  process.on('uncaughtException', onFailure);
  process.on('unhandledRejection', onFailure);
}
