import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import type { Compared } from '../report/compare.ts';
import type { Report } from '../report/schema.ts';
import { comparisonTable } from '../report/terminal.ts';
import { formatTable } from '../terminal/table.ts';
import { needFile, save } from './save.ts';

interface CompareFlags {
  readonly html?: string;
  readonly json?: string;
}

/** Bytes, more than a comparison takes. */
const ROOM = 1024 * 1024;

/** `baton compare A.json B.json ...` */
export function compareCommand(): Command {
  return new Command('compare')
    .summary('hold reports of one experiment against the first of them')
    .description('Holds reports of one experiment against the first of them.')
    .argument('<REPORT...>', 'two or more JSON reports of `baton lab`')
    .option('--html <FILE>', 'write it as a page')
    .option('--json <FILE>', 'write it as JSON; - is standard output')
    .action(compare);
}

async function compare(paths: readonly string[], flags: CompareFlags): Promise<void> {
  if (paths.length < 2)
    throw new BatonError('USAGE', { problem: 'give two or more reports to compare, as reports/*.json' });
  const files = await Promise.all(paths.map(async (file) => ({ file, report: await readReport(file) })));
  // What was seen live has the cases of `modes`, measured in the same way.
  const kinds = files.map(({ report }) => (report.experiment === 'live' ? 'modes' : report.experiment));
  const experiments = [...new Set(kinds)];
  if (experiments.length > 1) {
    const problem = `reports of different experiments cannot be compared: ${experiments.join(', ')}`;
    throw new BatonError('USAGE', { problem });
  }
  // Before anything is shown: a person would take half an answer for all of it.
  await needFile('--json', flags.json, ROOM);
  await needFile('--html', flags.html, ROOM);
  const { compareReports, figures } = await import('../report/compare.ts');
  const compared = compareReports(files);
  if (flags.json === '-') process.stdout.write(asJson(compared));
  else process.stdout.write(`${asText(compared, figures)}\n`);
  if (flags.json !== undefined && flags.json !== '-') await save('--json', flags.json, asJson(compared));
  if (flags.html !== undefined) await save('--html', flags.html, await page(compared));
}

const page = async (compared: Compared) =>
  (await import('../report/compare-page.ts')).renderComparePage(compared);

async function readReport(file: string): Promise<Report> {
  const { reportSchema } = await import('../report/schema.ts');
  try {
    return reportSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it does not exist' : undefined;
    const problem = `${file} is not a report of this release: ${reason ?? 'see baton lab schema'}`;
    throw new BatonError('USAGE', { problem }, error);
  }
}

const asJson = ({ runs, answer, comparisons, conditions }: Compared) =>
  `${JSON.stringify({ runs: runs.map(({ letter, file }) => ({ letter, file })), answer, conditions, comparisons })}\n`;

function asText(compared: Compared, figures: readonly (keyof Compared['comparisons'])[]): string {
  const letters = compared.runs.map(({ letter }) => letter);
  return [
    compared.answer,
    '',
    ...compared.runs.map(({ letter, file, report }) => `${letter}  ${report.startedAt}  ${file}`),
    ...(compared.conditions.length > 0
      ? [
          '',
          formatTable(
            ['not the same', ...letters],
            compared.conditions.map(({ name, values }) => [name, ...values]),
          ),
        ]
      : []),
    ...figures.flatMap((figure) =>
      compared.comparisons[figure].length > 0
        ? ['', figure, comparisonTable(compared.comparisons[figure])]
        : [],
    ),
  ].join('\n');
}
