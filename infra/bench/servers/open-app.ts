/** An application whose answers begin and never end: their connections stay open. */
import type { RequestListener } from 'node:http';

const app: RequestListener = (_, response) => {
  response.writeHead(200, { 'content-type': 'text/plain' }).write('.');
};

export default app;
