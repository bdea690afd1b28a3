/** Files that options name, as `--json FILE`. */
import { BatonError } from '../../shared/errors.ts';
import { needRoomAt, writeWhole } from '../report/output.ts';

/** To be called before the work whose outcome goes there: it would be lost. Nothing for `-` and for no file. */
export async function needFile(option: string, file: string | undefined, bytes: number): Promise<void> {
  if (file === undefined || file === '-') return;
  await needRoomAt(file, bytes).catch((error: unknown) => {
    throw unwritable(option, file, error);
  });
}

export async function save(option: string, file: string, text: string): Promise<void> {
  await writeWhole(file, text).catch((error: unknown) => {
    throw unwritable(option, file, error);
  });
}

function unwritable(option: string, file: string, error: unknown): BatonError {
  const reason = error instanceof Error ? error.message : String(error);
  const problem = `cannot write ${file}: ${reason}; name another with ${option}`;
  return new BatonError('USAGE', { problem }, error);
}
