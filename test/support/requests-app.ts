/** An application that says which process has answered what, for every path, when the whole of the body has come. */
import type { IncomingMessage, ServerResponse } from 'node:http';

export default function say(request: IncomingMessage, response: ServerResponse): void {
  let body = '';
  request.setEncoding('latin1');
  request.on('data', (part: string) => {
    body += part;
  });
  request.on('end', () => {
    const { method, url, httpVersion } = request;
    const text = JSON.stringify({ pid: process.pid, method, url, version: httpVersion, body });
    response.writeHead(200, { 'content-length': text.length });
    // `/slow/...`: the end of the answer comes later.
    if (!url?.startsWith('/slow')) return void response.end(text);
    response.write(text.slice(0, 5));
    setTimeout(() => response.end(text.slice(5)), 30);
  });
}
