// The seconds that the charts show: as many as the server keeps, however long the page is open.

export const KEPT = 900;
const FIGURES = ['done', 'failed', 'p50', 'p90', 'p99'];

export class History {
  /** Seconds since 1970. */
  times = [];
  cpu = [];
  /** By way: a list of each figure, null where it had no visits. */
  ways = new Map();
  events = [];
  /** Of the last minute, the newest last: the ways' heat. */
  heat = [];
  last = 0;
  /** Seconds that nobody can tell any more. */
  lost = 0;

  add(tick) {
    // A page that was asleep for longer than the server remembers: a gap.
    if (this.last > 0 && tick.n > this.last + 1) {
      this.lost += tick.n - this.last - 1;
      this.#row(tick.at - 500, null);
    }
    this.last = tick.n;
    this.#row(tick.at, tick);
    this.events.push(...tick.events);
    while (this.events.length > 0 && this.events[0].at < this.times[0] * 1000) this.events.shift();
    this.heat.push({ at: tick.at, ways: Object.entries(tick.ways).map(([name, { heat }]) => [name, heat]) });
    if (this.heat.length > 60) this.heat.shift();
  }

  #row(at, tick) {
    const length = this.times.length;
    for (const name of Object.keys(tick?.ways ?? {})) {
      if (this.ways.has(name)) continue;
      this.ways.set(name, Object.fromEntries(FIGURES.map((figure) => [figure, Array(length).fill(null)])));
    }
    this.times.push(at / 1000);
    this.cpu.push(tick?.head?.cpuMicros ?? null);
    for (const [name, lists] of this.ways) {
      const here = tick?.ways[name];
      for (const figure of FIGURES) {
        const isTime = figure.startsWith('p');
        lists[figure].push(
          here && (!isTime || here[figure] > 0)
            ? isTime
              ? here[figure] / 1000
              : Math.round((here[figure] * 1000) / tick.ms)
            : null,
        );
      }
    }
    if (this.times.length <= KEPT) return;
    this.times.shift();
    this.cpu.shift();
    for (const lists of this.ways.values()) for (const figure of FIGURES) lists[figure].shift();
  }

  /** From which place on the last so many seconds are. */
  since(seconds) {
    const from = (this.times.at(-1) ?? 0) - seconds;
    let at = this.times.length;
    while (at > 0 && this.times[at - 1] >= from) at--;
    return at;
  }
}
