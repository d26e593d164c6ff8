import type { FastifyReply } from 'fastify';
import type { CatalogModel } from '@tunan/contracts';
import type { Clock } from '@tunan/kernel';
import type { CatalogView } from '@tunan/service-kit';
import { aliasHeader } from '../domain/alias-header.js';
import { modelJson } from '../domain/model-json.js';
import { modelNotFound } from '../domain/model-not-found.js';
import type { AuthenticatedRequest, Endpoint } from '../public-api.js';
import type { AccountReads } from './account-reads.js';
import { sendJson } from './send-json.js';

const allowed = (request: AuthenticatedRequest, model: CatalogModel): boolean =>
  request.principal.models === null || request.principal.models.includes(model.id);

/** `GET /v1/models`: the models that this key may use. Aliases are not listed. */
export class ListModels implements Endpoint {
  readonly method = 'GET';
  readonly path = '/v1/models';

  constructor(
    private readonly catalog: CatalogView,
    private readonly reads: AccountReads,
    private readonly clock: Clock,
  ) {}

  async handle(request: AuthenticatedRequest, reply: FastifyReply): Promise<void> {
    const account = await this.reads.read(request);
    const catalog = this.catalog.current;
    const models = catalog.catalog.models.filter((model) => allowed(request, model));
    const data = models.map((model) => modelJson(model, catalog));
    sendJson(reply.raw, request, account, this.clock, { object: 'list', data });
  }
}

/** `GET /v1/models/{id}`, by public id or by any name that a request could use for it. */
export class GetModel implements Endpoint {
  readonly method = 'GET';
  readonly path = '/v1/models/:id';

  constructor(
    private readonly catalog: CatalogView,
    private readonly reads: AccountReads,
    private readonly clock: Clock,
  ) {}

  async handle(request: AuthenticatedRequest, reply: FastifyReply): Promise<void> {
    const account = await this.reads.read(request);
    const catalog = this.catalog.current;
    const { id } = request.raw.params as { id: string };
    const resolved = catalog.resolve(id, request.principal.aliases);
    // A model that the key may not use is not shown either.
    if (resolved === undefined || !allowed(request, resolved.model))
      throw modelNotFound(id, null, request.principal, catalog);
    const { model, alias } = resolved;
    sendJson(reply.raw, request, account, this.clock, modelJson(model, catalog), aliasHeader(alias));
  }
}
