/** Tests that need a program which a machine may lack: skipped there with what fixes it; with CI set they run, and fail. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';

/** Programs, and the Debian packages that they come from. */
const packages = {
  curl: 'curl',
  openssl: 'openssl',
  python3: 'python3',
  cc: 'gcc',
  nginx: 'nginx-light',
  haproxy: 'haproxy',
  keepalived: 'keepalived',
  tc: 'iproute2',
  nft: 'nftables',
  tcpdump: 'tcpdump',
  strace: 'strace',
  chromium: 'chromium',
  clang: 'clang libbpf-dev',
  prlimit: 'util-linux',
  setpriv: 'util-linux',
  script: 'bsdutils',
  zsh: 'zsh',
  groff: 'groff-base',
  shellcheck: 'shellcheck',
  vagrant: 'vagrant',
  ruby: 'ruby',
  spin: 'spin',
  promtool: 'prometheus',
  prometheus: 'prometheus',
  'systemd-analyze': 'systemd',
  'systemd-socket-activate': 'systemd',
} as const;
export type Tool = keyof typeof packages;

/** For what is tested with it where it is there, and without it elsewhere. */
export const has = (tool: Tool): boolean => isThere(tool);

function isThere(tool: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

type Declare = (title: string, body: (t: ExecutionContext) => Promise<void>) => void;

/** `needing('curl')('a title', async (t) => ...)`; `declare` is test or test.serial. */
export function needing(tools: Tool | readonly Tool[], declare: Declare = test): Declare {
  const missing = [tools].flat().filter((tool) => !isThere(tool));
  if (missing.length === 0 || process.env.CI !== undefined) return declare;
  const fix = `sudo apt-get install ${missing.map((tool) => packages[tool]).join(' ')}`;
  return (title, body) => test.skip(`${title} (needs ${missing.join(', ')}: ${fix})`, body);
}
