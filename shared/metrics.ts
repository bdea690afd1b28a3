/**
 * Prometheus text (prometheus.io/docs/instrumenting/exposition_formats). Nothing is counted here: every value is kept
 * elsewhere already, and read when somebody asks.
 */

export type Labels = Readonly<Record<string, string>>;
type Read = (set: (value: number, labels?: Labels) => void) => void;

export interface Buckets {
  readonly labels?: Labels;
  /** One for each bound and one more, not cumulative. */
  readonly counts: ArrayLike<number>;
  /** The sum of all values, in the unit of the bounds. */
  readonly sum: number;
}

export class Metrics {
  readonly contentType = 'text/plain; version=0.0.4; charset=utf-8';
  readonly #families: (() => string)[] = [];
  readonly #before: () => void;

  /** `before` is called before the values are read, each time. */
  constructor(before: () => void = () => {}) {
    this.#before = before;
  }

  /** Its name ends in `_total`. */
  counter(name: string, help: string, read: Read): void {
    this.#add(name, 'counter', help, read);
  }

  gauge(name: string, help: string, read: Read): void {
    this.#add(name, 'gauge', help, read);
  }

  /**
   * What is in one of several states: 1 for the state that it is in and 0 for each of the others, so that a series does not
   * end when it changes. `read` tells the state of each thing, and the labels that name it.
   */
  states(
    name: string,
    help: string,
    label: string,
    known: readonly string[],
    read: (set: (state: string, labels?: Labels) => void) => void,
  ): void {
    this.#add(name, 'gauge', help, (set) =>
      read((state, labels) => {
        for (const one of known) set(one === state ? 1 : 0, { ...labels, [label]: one });
      }),
    );
  }

  /** `bounds`: upper ones, rising; one more bucket has none. */
  histogram(name: string, help: string, bounds: readonly number[], read: () => Iterable<Buckets>): void {
    this.#families.push(() => {
      let text = head(name, 'histogram', help);
      for (const { labels = {}, counts, sum } of read()) {
        let total = 0;
        for (let bucket = 0; bucket <= bounds.length; bucket++) {
          total += counts[bucket] ?? 0;
          const le = bucket < bounds.length ? String(bounds[bucket]) : '+Inf';
          text += line(`${name}_bucket`, { ...labels, le }, total);
        }
        text += line(`${name}_sum`, labels, sum) + line(`${name}_count`, labels, total);
      }
      return text;
    });
  }

  #add(name: string, type: 'counter' | 'gauge', help: string, read: Read): void {
    this.#families.push(() => {
      let text = head(name, type, help);
      read((value, labels = {}) => {
        text += line(name, labels, value);
      });
      return text;
    });
  }

  /** All of them, as they are now. */
  async metrics(): Promise<string> {
    this.#before();
    return this.#families.map((family) => family()).join('');
  }
}

const escapes: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '"': '\\"' };

const head = (name: string, type: string, help: string): string =>
  `# HELP ${name} ${help.replaceAll(/[\\\n]/g, (one) => escapes[one]!)}\n# TYPE ${name} ${type}\n`;

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(
    ([label, text]) => `${label}="${text.replaceAll(/[\\\n"]/g, (one) => escapes[one]!)}"`,
  );
  const shown = Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : value < 0 ? '-Inf' : 'NaN';
  return `${name}${pairs.length > 0 ? `{${pairs.join()}}` : ''} ${shown}\n`;
}
