import type { IncomingMessage, ServerResponse } from 'node:http';
import { Fault } from '@tunan/kernel';
import { pathOf, sendFault, type Health } from '@tunan/service-kit';
import type { Registry } from 'prom-client';

/** Health and metrics of the process. */
export class OpsSurface {
  static readonly PREFIXES = ['/livez', '/readyz', '/metrics'];

  constructor(
    private readonly health: Health,
    private readonly metrics: Registry,
  ) {}

  handle(request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return sendFault(response, new Fault('method_not_allowed', 'Only GET.'), { allow: 'GET, HEAD' });
    switch (pathOf(request.url ?? '')) {
      case '/livez':
        return sendJson(response, 200, { status: 'alive' });
      case '/readyz':
        return this.#readiness(response);
      case '/metrics':
        void this.#metrics(response);
        return;
      default:
        return sendFault(response, new Fault('not_found', 'No such path.'));
    }
  }

  #readiness(response: ServerResponse): void {
    const { ready, draining, lacking, dependencies } = this.health;
    sendJson(response, ready ? 200 : 503, {
      status: draining ? 'draining' : ready ? 'ready' : 'not ready',
      lacks: lacking.map(({ name, detail }) => `${name}: ${detail}`),
      dependencies: Object.fromEntries(dependencies.map(({ name, up, detail }) => [name, { up, detail }])),
    });
  }

  async #metrics(response: ServerResponse): Promise<void> {
    try {
      const text = await this.metrics.metrics();
      response.writeHead(200, { 'content-type': this.metrics.contentType }).end(text);
    } catch (error) {
      sendFault(response, Fault.from(error));
    }
  }
}

const sendJson = (response: ServerResponse, status: number, value: unknown): void => {
  const body = `${JSON.stringify(value)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
};
