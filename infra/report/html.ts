/** HTML that escapes whatever is put into it, so that no name in the data can become markup. */

/** Text that is HTML already; only `html` and this file's own functions make it. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | readonly Part[] | undefined | false;

/** html`<p>${anything}</p>`: strings are escaped, Html is not, lists are joined, undefined and false are nothing. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.reduce((text, string, index) => text + render(parts[index - 1]) + string));
}

function render(part: Part): string {
  if (part === undefined || part === false) return '';
  if (part instanceof Html) return part.text;
  if (typeof part === 'string') return escapeHtml(part);
  if (typeof part === 'number') return String(part);
  return part.map(render).join('');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For text and for quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character]!);
}

/** JSON for a <script type="application/json">: without `<` nothing in it can end the element or open a comment. */
export function embedJson(value: unknown): Html {
  return new Html(JSON.stringify(value).replaceAll('<', '\\u003c'));
}

/** Program text for a <script>: the one sequence that would end it early is written so that JavaScript reads the same. */
export function embedScript(source: string): Html {
  return new Html(source.replaceAll(/<\/(script)/gi, '<\\/$1'));
}

export function embedStyle(source: string): Html {
  return new Html(source.replaceAll(/<\/(style)/gi, '<\\/$1'));
}
