/** Deliveries that a lab is asked for. */
export interface WantedDelivery {
  readonly name: string;
  /** More arguments of its `baton delivery`. */
  readonly arguments?: readonly string[];
}

/** So many, called by a letter and a number; or these. */
export type Wanted = number | readonly WantedDelivery[];

export const wantedOf = (letter: string, wanted: Wanted): readonly WantedDelivery[] =>
  typeof wanted === 'number'
    ? Array.from({ length: wanted }, (_, index) => ({ name: `${letter}${index + 1}` }))
    : wanted;

/** Of hosts for them. */
export const namesOf = (wanted: Wanted): string[] => wantedOf('d', wanted).map(({ name }) => name);
