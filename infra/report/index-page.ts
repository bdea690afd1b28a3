import { html } from './html.ts';
import { renderShell, unbroken } from './page.ts';
import type { Report } from './schema.ts';

/** The questions and answers of a set of experiments, each with the page that shows more. */
export function renderIndex(
  entries: readonly { readonly report: Report; readonly page: string }[],
): Promise<string> {
  const [first] = entries;
  const { environment, startedAt } = first!.report;
  const minutes = entries.reduce((sum, { report }) => sum + report.seconds, 0) / 60;
  return renderShell(
    `Baton: the lab, ${startedAt.slice(0, 10)}`,
    [
      html`<header>
<p class="eyebrow">Baton · ${entries.length} experiments · <time datetime="${startedAt}">${startedAt.slice(0, 16).replace('T', ' ')} UTC</time></p>
<h1>Hand a connection over, or send its client elsewhere? What was asked, and what was measured.</h1>
<p class="where">${environment.machine}, ${environment.cores} cores · Linux ${environment.kernel} · Node ${environment.node} · ${environment.lab} · ${minutes.toFixed(1)} minutes</p>
</header>`,
      html`${entries.map(
        ({ report, page }) => html`<section>
<h2><a href="${page}">${report.experiment}</a></h2>
<p class="lead">${report.question}</p>
<p class="found">${unbroken(report.answer)}</p>
${!report.complete && html`<p class="cut">This run was interrupted.</p>`}
${report.warnings.length > 0 && html`<p class="lead">${report.warnings.length} warnings, on its page.</p>`}
</section>`,
      )}`,
    ],
    { charts: [], groups: [] },
  );
}
