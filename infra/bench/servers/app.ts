/** The application that every Node server of the bench serves: one small fixed answer. */
import type { RequestListener } from 'node:http';

const body = 'ok\n';

const app: RequestListener = (_, response) => {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length }).end(body);
};

export default app;
