import { basename, join } from 'node:path';
import { BatonError } from '../../shared/errors.ts';
import { renderIndex } from './index-page.ts';
import { makeFolder, needRoomInNew, writeWhole } from './output.ts';
import { renderPage } from './page.ts';
import { type Report, reportSchema } from './schema.ts';

export interface WrittenReport {
  readonly report: Report;
  readonly files: { readonly json: string; readonly html: string };
}

/** Writes DIRECTORY/NAME-TIME.json and .html and answers their paths. */
export async function writeReport(report: Report, directory: string): Promise<WrittenReport['files']> {
  const checked = reportSchema.parse(report);
  const base = join(directory, `${checked.experiment}-${fileTime(checked)}`);
  const files = { json: `${base}.json`, html: `${base}.html` };
  await write(directory, {
    [files.json]: `${JSON.stringify(checked)}\n`,
    [files.html]: await renderPage(checked),
  });
  return files;
}

/** Writes DIRECTORY/all-TIME.html, which leads to the pages of several reports beside it, and answers its path. */
export async function writeIndex(written: readonly WrittenReport[], directory: string): Promise<string> {
  const file = join(directory, `all-${fileTime(written[0]!.report)}.html`);
  const entries = written.map(({ report, files }) => ({ report, page: basename(files.html) }));
  await write(directory, { [file]: await renderIndex(entries) });
  return file;
}

/** 2026-11-23T03-19-05Z: sorts by time and is a file name everywhere. */
const fileTime = ({ startedAt }: Report) => startedAt.replace(/\.\d+Z$/, 'Z').replaceAll(':', '-');

/** Bytes, more than the reports of all experiments take together. */
const ROOM = 8 * 1024 * 1024;

/** To be called before the experiments, whose reports would be lost. Makes the folder. */
export async function needReports(directory: string): Promise<void> {
  await needRoomInNew(directory, ROOM).catch((error: unknown) => {
    throw unwritable(`cannot write reports in ${directory}`, error);
  });
}

async function write(directory: string, files: Readonly<Record<string, string>>): Promise<void> {
  try {
    await makeFolder(directory);
    for (const [file, text] of Object.entries(files)) await writeWhole(file, text);
  } catch (error) {
    throw unwritable('cannot write the report', error);
  }
}

function unwritable(what: string, error: unknown): BatonError {
  const reason = error instanceof Error ? error.message : String(error);
  return new BatonError('LAB_FAILED', { problem: `${what} (${reason}); name a place with --out` }, error);
}
