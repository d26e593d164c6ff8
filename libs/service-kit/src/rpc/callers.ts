import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { ServiceName } from '@tunan/contracts';

const digest = (token: string): Buffer => createHash('sha256').update(token).digest();

/** Tells which service a call on the internal listener comes from, by its token. Two tokens are valid during a rotation. */
export class Callers {
  readonly #tokens: readonly { readonly service: ServiceName; readonly digest: Buffer }[];

  constructor(tokens: Readonly<Partial<Record<ServiceName, readonly string[]>>>) {
    this.#tokens = Object.entries(tokens).flatMap(([service, values]) =>
      values.map((value) => ({ service: service as ServiceName, digest: digest(value) })),
    );
  }

  /** The calling service, or undefined if the token is missing or unknown. */
  identify(request: IncomingMessage): ServiceName | undefined {
    const header = request.headers.authorization;
    if (header === undefined || !header.startsWith('Bearer ')) return undefined;
    const given = digest(header.slice('Bearer '.length));
    return this.#tokens.find((entry) => timingSafeEqual(entry.digest, given))?.service;
  }
}
