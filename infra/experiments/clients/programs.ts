/** The clients that people use, each as a command that asks once and prints what it got. */

export const methods = ['GET', 'POST'] as const;
export type Method = (typeof methods)[number];

/** A certificate that a client is to trust, and nobody else need: a file, and the digest of its key, as browsers want it. */
export interface Trust {
  readonly file: string;
  readonly keyDigest: string;
}

interface Asked {
  readonly method: Method;
  readonly url: string;
  /** Of a POST; of a WebSocket the message. */
  readonly body: string;
  /** Over TLS. */
  readonly trust: Trust | undefined;
  /** An address that needs a second to answer: until then a page is not complete. */
  readonly slowUrl: string;
}

export interface Client {
  readonly name: string;
  /** Program, and the Debian package that brings it. */
  readonly needs: string;
  readonly package: string;
  readonly version: readonly string[];
  /** Prints the body and, where the client tells, a line `status=NNN` of the last answer. */
  command(asked: Asked): readonly string[];
}

const curl = (name: string, ...flags: string[]): Client => ({
  name,
  needs: 'curl',
  package: 'curl',
  version: ['curl', '--version'],
  command: ({ method, url, body, trust }) => [
    ...['curl', '-sS', '--max-time', '8', '-w', '\nstatus=%{http_code}\n', ...flags],
    ...(trust ? ['--cacert', trust.file] : []),
    ...(method === 'POST' ? ['--data', body] : []),
    url,
  ],
});

const python = (name: string, script: string): Client => ({
  name,
  needs: 'python3',
  package: 'python3',
  version: ['python3', '--version'],
  command: ({ method, url, body, trust }) => [
    ...['python3', '-c', script, method, url, body],
    ...(trust ? [trust.file] : []),
  ],
});

const urllib = `
import ssl, sys, urllib.request, urllib.error
method, url, body, *ca = sys.argv[1:]
request = urllib.request.Request(url, data=body.encode() if method == 'POST' else None)
context = ssl.create_default_context(cafile=ca[0]) if ca else None
try:
    answer = urllib.request.urlopen(request, timeout=8, context=context)
except urllib.error.HTTPError as error:
    print(type(error).__name__)
    answer = error
print(answer.read().decode())
print('status=%d' % answer.status)
`;

const httpClient = `
import ssl, sys, http.client, urllib.parse
method, url, body, *ca = sys.argv[1:]
parts = urllib.parse.urlsplit(url)
if ca:
    context = ssl.create_default_context(cafile=ca[0])
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=8, context=context)
else:
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

const node = (name: string, script: string): Client => ({
  name,
  needs: 'node',
  package: 'nodejs',
  version: ['node', '--version'],
  command: ({ method, url, body, trust }) => [
    ...['env', ...(trust ? [`NODE_EXTRA_CA_CERTS=${trust.file}`] : [])],
    ...['node', '--input-type=module', '-e', script, method, url, body],
  ],
});

/** A page whose form posts itself; a browser asks with GET when it is given the URL. */
const form = (url: string, body: string) =>
  `data:text/html,<form method=post enctype=text/plain action="${url}"><input name=body value="${body}"></form><script>document.forms[0].submit()</script>`;

/** `$1`: flags. A fresh profile each time, and nothing that asks the network for anything else. */
const chromiumScript = `
profile=$(mktemp -d); trap 'rm -rf "$profile"' EXIT
timeout 20 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \\
  --disable-background-networking --disable-component-update --disable-sync \\
  --disable-features=LocalNetworkAccessChecks --user-data-dir="$profile" $1 --dump-dom "$2" 2>/dev/null
`;

const chromium = (name: string, flags: string, page: (asked: Asked) => string): Client => ({
  name,
  needs: 'chromium',
  package: 'chromium',
  version: ['chromium', '--version'],
  command: (asked) => {
    const { trust } = asked;
    const trusting = trust ? ` --ignore-certificate-errors-spki-list=${trust.keyDigest}` : '';
    return ['sh', '-c', chromiumScript, 'chromium', `${flags}${trusting}`, page(asked)];
  },
});

export const clientPrograms: readonly Client[] = [
  curl('curl'),
  curl('curl -L', '-L'),
  python('Python urllib.request', urllib),
  python('Python http.client', httpClient),
  node('Node fetch', fetchScript),
  {
    name: 'wget',
    needs: 'wget',
    package: 'wget',
    version: ['wget', '--version'],
    command: ({ method, url, body, trust }) => [
      ...['sh', '-c', `wget "$@" 2>&1 | sed 's/^ *HTTP.1.. \\([0-9]*\\).*/status=\\1/'`, 'wget'],
      ...['--server-response', '--tries=1', '--timeout=8', '-nv', '-O', '-'],
      ...(trust ? [`--ca-certificate=${trust.file}`] : []),
      ...(method === 'POST' ? [`--post-data=${body}`] : []),
      url,
    ],
  },
  chromium('Chromium, a page or a form', '--virtual-time-budget=4000', ({ method, url, body }) =>
    method === 'POST' ? form(url, body) : url,
  ),
];

const socketScript = `
const [, url, body] = process.argv.slice(1);
const socket = new WebSocket(url);
socket.onopen = () => socket.send(body);
socket.onmessage = ({ data }) => { console.log(data); socket.close(); };
socket.onerror = () => console.log('refused');
setTimeout(() => process.exit(), 8000).unref();
`;

/** It is complete, and printed, when the slow picture has come; by then the message has come back, or will not. */
const socketPage = ({ url, body, slowUrl }: Asked) =>
  `data:text/html,<p id=said>nothing</p><img src="${slowUrl}"><script>
const [first, last] = "${body}".split("-");
const socket = new WebSocket("${url}");
const say = (text) => { document.getElementById("said").textContent = text };
socket.onopen = () => socket.send(first + "-" + last + "!");
socket.onmessage = ({ data }) => say(data === first + "-" + last + "!" ? "back: " + first + "_" + last : data);
socket.onerror = () => say("refused");
</script>`.replaceAll('\n', ' ');

/** They send a message to an echo; the page says it with another hyphen, as its source, which is printed too, has it already. */
export const socketPrograms: readonly Client[] = [
  node('Node WebSocket', socketScript),
  chromium('Chromium, a page with a WebSocket', '', socketPage),
];
