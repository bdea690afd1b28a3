import type { Compared } from './compare.ts';
import { type Html, html } from './html.ts';
import { renderShell, unbroken } from './page.ts';
import { chartData } from './plots.ts';
import { charts, comparisons, tables } from './sections.ts';

const lead =
  'Of each case, a value a round. A difference is called one only when a permutation test over the rounds says so, corrected for the number of comparisons, and its 95 % interval is beyond the 0.2 ms to which times are right.';

/** A comparison as one HTML page that needs nothing else. */
export function renderComparePage(compared: Compared): Promise<string> {
  const { runs, conditions } = compared;
  const [first] = runs;
  const sideBySide = runs.flatMap(({ letter, report }) =>
    report.tables.map((table) => ({ ...table, title: `${letter}: ${table.title}` })),
  );
  return renderShell(
    `Baton: ${first!.report.experiment} compared`,
    [
      html`<header>
<p class="eyebrow">Baton · ${first!.report.experiment} · ${runs.length} runs compared</p>
<h1>${first!.report.question}</h1>
<p class="answer">${unbroken(compared.answer)}</p>
</header>`,
      table(
        'The runs',
        'Every other run is held against A.',
        ['', 'began', 'rounds', 'answer', 'file'],
        runs.map(({ letter, file, report }) => [
          letter,
          `${report.startedAt.slice(0, 16).replace('T', ' ')} UTC`,
          String(Math.max(0, ...report.cases.map(({ rounds }) => rounds.length))),
          report.answer,
          file,
        ]),
      ),
      table(
        'What else was not the same',
        'Conditions and settings that differ. What is not listed was equal.',
        ['', ...runs.map(({ letter }) => letter)],
        conditions.map(({ name, values }) => [name, ...values]),
      ),
      charts(compared.charts),
      comparisons('Medians', lead, compared.comparisons.p50),
      comparisons('The slowest hundredth (p99)', lead, compared.comparisons.p99),
      tables(sideBySide),
    ],
    { charts: compared.charts.map(chartData), groups: [] },
  );
}

const table = (title: string, about: string, columns: string[], rows: string[][]): Html =>
  rows.length === 0 ? html`` : tables([{ title, lead: about, columns, rows }]);
