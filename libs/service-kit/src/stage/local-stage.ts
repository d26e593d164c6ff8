import { ExchangeHandler, type Exchange, type ExchangeReply } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';

/** A stage that runs in this process: a hop is a function call. Looked up at each call, so start order is free. */
export class LocalStage extends ExchangeHandler {
  constructor(
    private readonly name: string,
    private readonly resolve: () => ExchangeHandler | undefined,
  ) {
    super();
  }

  handle(exchange: Exchange): Promise<ExchangeReply> {
    const handler = this.resolve();
    if (handler !== undefined) return handler.handle(exchange);
    return Promise.reject(
      new Fault('service_unavailable', 'The service is starting. Please retry.', {
        internal: `${this.name} has not started`,
        retryAfterMs: 1_000,
      }),
    );
  }
}
