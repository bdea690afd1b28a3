/** palette.css gives the colours in this order; what is none of these takes the places behind them. */
const ways = ['direct', 'handoff-fd', 'redirect', 'created', 'handoff-migrate'];
const PLACES = 9;

/** The same colour for the same way in every plot of every report. */
export function colourOf(way: string | null, index: number): number {
  const known = way === null ? -1 : ways.indexOf(way);
  return known >= 0 ? known : ways.length + (index % (PLACES - ways.length));
}
