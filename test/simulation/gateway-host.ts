import type { ServerResponse } from 'node:http';
import { CatalogIndex, type AuthPort } from '@tunan/contracts';
import { Inference, OpenExchanges } from '@tunan/ingress/testing';
import { createLogger } from '@tunan/service-kit';
import type { ClientConnection } from './client-connection.js';
import { SNAPSHOTS } from './database.js';
import type { Process } from './process.js';
import { SimulatedProvider } from './provider.js';
import type { RequestPlan, Story } from './request-plan.js';

const SILENT = createLogger('silent');

const TIMES = { keepAliveMs: 15_000, writeStallMs: 60_000, exchangeMsMax: 600_000 };

const MODEL = new CatalogIndex(SNAPSHOTS[0]).model('some-model')!;

/** One ingress with its stages, in one life of a process. */
export class GatewayHost {
  readonly #inference: Inference;
  readonly #exchanges: OpenExchanges;

  constructor(
    private readonly process: Process,
    auth: AuthPort,
    storyOf: (requestId: string) => Story,
    random: () => number,
  ) {
    this.#exchanges = new OpenExchanges(process);
    this.#inference = new Inference(
      auth,
      new SimulatedProvider(process, storyOf),
      this.#exchanges,
      process,
      SILENT,
      TIMES,
      random,
    );
    this.#exchanges.start();
  }

  /** Nothing is asked any more: the timer that serves open requests may end. */
  rest(): void {
    if (this.#exchanges.size === 0) this.#exchanges.stop();
  }

  serve(plan: RequestPlan, catalogVersion: number, connection: ClientConnection): void {
    const { requestId, accountId, keyId, stream, includeUsage, completions, ceiling } = plan;
    void this.#inference.run(
      {
        requestId,
        apiKey: 'sk-x',
        principal: { accountId, keyId, tier: 'free', models: null, aliases: true },
        operation: 'chat',
        model: MODEL,
        alias: undefined,
        catalogVersion,
        body: { model: MODEL.id, messages: [{ role: 'user', content: 'Hi' }] },
        stream,
        includeUsage,
        completions,
        ceiling,
        promptLikely: plan.promptLikely,
        promptBound: plan.promptBound,
        strictParameters: false,
        idempotency: undefined,
        timeouts: { headersMs: null, silenceMs: null, totalMs: null },
        traceparent: undefined,
        startedMs: this.process.monotonicMs(),
        headers: {},
      },
      // The members that answers use; a socket has no place in virtual time.
      connection as unknown as ServerResponse,
    );
  }
}
