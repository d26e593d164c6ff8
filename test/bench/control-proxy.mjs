// The control, C0: the least that a reverse proxy in Node can be. `node:http` in front, `undici` behind, bytes through.
// Prints the port that it listens on. What the gateway costs is told as a multiple of this.
import { createServer } from 'node:http';
import { Pool } from 'undici';

const upstream = new Pool(`http://127.0.0.1:${process.argv[2]}`, {
  connections: 2_000,
  pipelining: 1,
  allowH2: false,
  headersTimeout: 0,
  bodyTimeout: 0,
});

/** Passes one answer through, with back-pressure. */
class PassThrough {
  constructor(response) {
    this.response = response;
  }

  onRequestStart(controller) {
    this.controller = controller;
    this.response.on('drain', () => controller.resume());
    this.response.on('close', () => {
      if (!this.response.writableFinished) controller.abort(new Error('the client left'));
    });
  }

  onResponseStart(_controller, status, headers) {
    delete headers.connection;
    delete headers['transfer-encoding'];
    this.response.writeHead(status, headers);
  }

  onResponseData(controller, chunk) {
    if (!this.response.write(chunk)) controller.pause();
  }

  onResponseEnd() {
    this.response.end();
  }

  onResponseError() {
    if (this.response.headersSent) this.response.destroy();
    else this.response.writeHead(502).end();
  }
}

const server = createServer({ noDelay: true }, (request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const { authorization, 'content-type': type } = request.headers;
    const headers = ['content-type', type, 'authorization', authorization];
    const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    upstream.dispatch(
      { path: request.url, method: request.method, headers, body },
      new PassThrough(response),
    );
  });
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
