/** The clients that people use, each as a command that asks once and prints what it got. */

export const methods = ['GET', 'POST'] as const;
export type Method = (typeof methods)[number];

export interface Client {
  readonly name: string;
  /** Program, and the Debian package that brings it. */
  readonly needs: string;
  readonly package: string;
  readonly version: readonly string[];
  /** Prints the body and, where the client tells, a line `status=NNN` of the last answer. */
  command(method: Method, url: string, body: string): readonly string[];
}

const curl = (name: string, ...flags: string[]): Client => ({
  name,
  needs: 'curl',
  package: 'curl',
  version: ['curl', '--version'],
  command: (method, url, body) => [
    ...['curl', '-sS', '--max-time', '8', '-w', '\nstatus=%{http_code}\n', ...flags],
    ...(method === 'POST' ? ['--data', body] : []),
    url,
  ],
});

const python = (name: string, script: string): Client => ({
  name,
  needs: 'python3',
  package: 'python3',
  version: ['python3', '--version'],
  command: (method, url, body) => ['python3', '-c', script, method, url, body],
});

const urllib = `
import sys, urllib.request, urllib.error
method, url, body = sys.argv[1:]
request = urllib.request.Request(url, data=body.encode() if method == 'POST' else None)
try:
    answer = urllib.request.urlopen(request, timeout=8)
except urllib.error.HTTPError as error:
    print(type(error).__name__)
    answer = error
print(answer.read().decode())
print('status=%d' % answer.status)
`;

const httpClient = `
import sys, http.client, urllib.parse
method, url, body = sys.argv[1:]
parts = urllib.parse.urlsplit(url)
connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=8)
connection.request(method, parts.path, body if method == 'POST' else None)
answer = connection.getresponse()
print(answer.read().decode())
print('status=%d' % answer.status)
`;

const fetchScript = `
const [method, url, body] = process.argv.slice(1);
const answer = await fetch(url, method === 'POST' ? { method, body } : {});
console.log(await answer.text());
console.log('status=' + answer.status);
`;

/** A page whose form posts itself; a browser asks with GET when it is given the URL. */
const form = (url: string, body: string) =>
  `data:text/html,<form method=post enctype=text/plain action="${url}"><input name=body value="${body}"></form><script>document.forms[0].submit()</script>`;

/** A fresh profile each time, and nothing that asks the network for anything else. */
const chromiumScript = `
profile=$(mktemp -d); trap 'rm -rf "$profile"' EXIT
timeout 20 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \\
  --disable-background-networking --disable-component-update --disable-sync \\
  --user-data-dir="$profile" --virtual-time-budget=4000 --dump-dom "$1" 2>/dev/null
`;

export const clientPrograms: readonly Client[] = [
  curl('curl'),
  curl('curl -L', '-L'),
  python('Python urllib.request', urllib),
  python('Python http.client', httpClient),
  {
    name: 'Node fetch',
    needs: 'node',
    package: 'nodejs',
    version: ['node', '--version'],
    command: (method, url, body) => ['node', '--input-type=module', '-e', fetchScript, method, url, body],
  },
  {
    name: 'wget',
    needs: 'wget',
    package: 'wget',
    version: ['wget', '--version'],
    command: (method, url, body) => [
      ...['sh', '-c', `wget "$@" 2>&1 | sed 's/^ *HTTP.1.. \\([0-9]*\\).*/status=\\1/'`, 'wget'],
      ...['--server-response', '--tries=1', '--timeout=8', '-nv', '-O', '-'],
      ...(method === 'POST' ? [`--post-data=${body}`] : []),
      url,
    ],
  },
  {
    name: 'Chromium, a page or a form',
    needs: 'chromium',
    package: 'chromium',
    version: ['chromium', '--version'],
    command: (method, url, body) => [
      ...['sh', '-c', chromiumScript, 'chromium'],
      method === 'POST' ? form(url, body) : url,
    ],
  },
];
