/** Contenders that read the name in a ClientHello and bring the connection to a C receiver, which answers with an alert. */
import type { Contender } from '../contender.ts';
import { type HelloKind, SERVER_NAME, writeHello } from '../hello.ts';
import { startHaproxy } from './haproxy.ts';
import { startNginxStream } from './nginx.ts';

/** Another receiver, for other names: whoever does not read the name does not find the right one. */
const NOBODY = '127.0.0.1:9';

export const haproxyHello = (kind: HelloKind): Contender => ({
  name: 'haproxy',
  about: 'HAProxy, mode tcp, 1 thread, no log: passes bytes on to a C receiver, chosen by req.ssl_sni',
  async start(stage) {
    const receiver = await stage.launch(stage.programs['tcp-drain'], []);
    const frontend = `mode tcp
  tcp-request inspect-delay 5s
  tcp-request content accept if { req.ssl_hello_type 1 }
  use_backend named if { req.ssl_sni -i ${SERVER_NAME} }
  default_backend others`;
    const backends = `backend named
  mode tcp
  server drain ${receiver.address}
backend others
  mode tcp
  server nobody ${NOBODY}`;
    const { pid, address } = await startHaproxy(stage, `haproxy-hello-${kind}`, frontend, backends);
    return { subject: pid, others: [receiver.pid], address, hello: await writeHello(stage, kind) };
  },
});

export const nginxHello = (kind: HelloKind): Contender => ({
  name: 'nginx',
  about:
    'nginx, stream, 1 worker in one process, no log: passes bytes on to a C receiver, chosen by ssl_preread',
  async start(stage) {
    const receiver = await stage.launch(stage.programs['tcp-drain'], []);
    const { pid, address } = await startNginxStream(
      stage,
      `nginx-hello-${kind}`,
      'ssl_preread on; proxy_pass $receiver;',
      `map $ssl_preread_server_name $receiver { ${SERVER_NAME} ${receiver.address}; default ${NOBODY}; }`,
    );
    return { subject: pid, others: [receiver.pid], address, hello: await writeHello(stage, kind) };
  },
});
