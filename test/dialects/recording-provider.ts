import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const said = { role: 'assistant', content: 'A photo.' };
const answer = (object: string, choice: object): object => ({
  id: 'recorded',
  object,
  created: 1,
  model: 'recorded',
  choices: [{ index: 0, ...choice, finish_reason: 'stop' }],
  usage: { prompt_tokens: 10, completion_tokens: 1, total_tokens: 11 },
});
const UNARY = answer('chat.completion', { message: said });
const CHUNK = answer('chat.completion.chunk', { delta: said });

/** What a provider was sent, as it was sent. */
export interface RecordedRequest {
  readonly path: string;
  readonly body: {
    readonly messages: readonly { readonly role: string; readonly content: unknown }[];
    readonly stream?: boolean;
  };
}

/** Stands where a provider would, answers every chat in a few words, and keeps what it was sent. */
export class RecordingProvider {
  readonly requests: RecordedRequest[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<RecordingProvider> {
    const server = createServer();
    const provider = new RecordingProvider(server);
    server.on('request', (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = JSON.parse(Buffer.concat(parts).toString()) as RecordedRequest['body'];
        provider.requests.push({ path: request.url!, body });
        if (body.stream !== true) return void response.end(JSON.stringify(UNARY));
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(`data: ${JSON.stringify(CHUNK)}\n\ndata: [DONE]\n\n`);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return provider;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
