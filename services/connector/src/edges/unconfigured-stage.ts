import { ExchangeHandler, type Exchange, type ExchangeReply } from '@tunan/contracts';
import { providerFault } from '../domain/vendor-error.js';

/** A provider without a credential: its channels do not exist, and no stand-in takes their place. */
export class UnconfiguredStage extends ExchangeHandler {
  constructor(private readonly provider: string) {
    super();
  }

  handle(_exchange: Exchange): Promise<ExchangeReply> {
    return Promise.reject(providerFault('no_channel_available', `${this.provider} has no credential`));
  }
}
