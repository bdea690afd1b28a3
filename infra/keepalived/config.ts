/** keepalived's configuration for a head that shares its address with another, from the file that ships with the package. */
import { readFileSync } from 'node:fs';

/** `--for` of a check that runs each second: with its start it takes hardly less. */
export const WATCH_FOR = '800ms';

export interface KeepalivedConfig {
  /** Of the host. */
  readonly name: string;
  /** The network card that clients come through. */
  readonly interface: string;
  /** The shared address with its prefix length; more of them, of the other IP version as well. */
  readonly vip: string;
  readonly more?: readonly string[];
  /** The command that says whether the head is ready. */
  readonly check: string;
  /** The command that says whether the steering program is at the card. */
  readonly steering?: string;
  /** Seconds between two adverts; a head that is not heard for three of them has lost the address. */
  readonly advertSeconds?: number;
  /** The same for both heads, and for nobody else on the segment: 1 to 255. */
  readonly router?: number;
}

const template = new URL('baton.conf', import.meta.url);

export function keepalivedConfig({
  name,
  interface: card,
  vip,
  more = [],
  check,
  steering = `/bin/sh -c 'tc filter show dev ${card} ingress | grep -q baton_steer'`,
  advertSeconds = 1,
  router = 77,
}: KeepalivedConfig): string {
  const excluded = more.map((address) => `\t\t${address} dev ${card}\n`).join('');
  const words: Readonly<Record<string, string>> = {
    NAME: name,
    INTERFACE: card,
    VIP: vip,
    CHECK: check,
    STEERING: steering,
    ADVERT: String(advertSeconds),
    ROUTER: String(router),
    EXCLUDED: excluded === '' ? '' : `\tvirtual_ipaddress_excluded {\n${excluded}\t}`,
  };
  return readFileSync(template, 'utf8').replaceAll(
    /@([A-Z]+)@/g,
    (whole, word: string) => words[word] ?? whole,
  );
}
