import type { Host, Lab } from '../../lab/lab.ts';

/** What a kernel begins with where nothing is said: ten segments (RFC 6928). */
export const USUAL_WINDOW = 10;

/**
 * Every route of the host, as it is but for its initial window (ip-route(8)): `$1`, or what is usual when that is empty. The kernel
 * says of some that they lead nowhere at the moment, which it does not want to be told.
 */
const SCRIPT = `ip -4 route show | sed -E 's/ initcwnd [0-9]+//; s/ (linkdown|dead)//g' | while read -r route; do
  case "$route" in *nexthop*) continue ;; esac
  ip -4 route change $route \${1:+initcwnd "$1"} || exit 1
done`;

/** Of all connections that the lab's servers have from now on, to whomever. */
export async function setInitialWindow(lab: Lab, segments: number): Promise<void> {
  const hosts = new Map<string, Host>(
    [...lab.heads, ...lab.deliveries].map(({ host }) => [host.name, host] as const),
  );
  const said = segments === USUAL_WINDOW ? '' : String(segments);
  await Promise.all([...hosts.values()].map((host) => host.run(['sh', '-c', SCRIPT, 'sh', said])));
}
