import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BatonError } from '../../shared/errors.ts';
import { renderPage } from './page.ts';
import { type Report, reportSchema } from './schema.ts';

/** Writes DIRECTORY/NAME-TIME.json and .html and answers their paths. */
export async function writeReport(
  report: Report,
  directory: string,
): Promise<{ json: string; html: string }> {
  const checked = reportSchema.parse(report);
  // 2026-11-23T03-19-05Z: sorts by time and is a file name everywhere.
  const time = checked.startedAt.replace(/\.\d+Z$/, 'Z').replaceAll(':', '-');
  const base = join(directory, `${checked.experiment}-${time}`);
  const files = { json: `${base}.json`, html: `${base}.html` };
  const page = await renderPage(checked);
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(files.json, `${JSON.stringify(checked)}\n`);
    await writeFile(files.html, page);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new BatonError(
      'LAB_FAILED',
      { problem: `cannot write the report (${problem}); name a place with --out` },
      error,
    );
  }
  return files;
}
