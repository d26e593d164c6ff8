import { Body, Controller, Get, HttpCode, Inject, Post, Query } from '@nestjs/common';
import type { z } from 'zod';
import { Catalogs } from '../catalogs.js';
import { activateCatalogBody, catalogListQuery, catalogQuery } from './bodies.js';
import { belowCostView, snapshotView } from './views.js';

/** Snapshots of one page of the list. */
const PAGE = 100;

@Controller('operator/v1/catalog')
export class CatalogController {
  constructor(@Inject(Catalogs) private readonly catalogs: Catalogs) {}

  @Get()
  async show(@Query({ schema: catalogQuery }) query: z.output<typeof catalogQuery>) {
    const snapshot = await this.catalogs.get(query.version ?? null);
    return { ...snapshotView(snapshot), catalog: snapshot.body };
  }

  @Get('snapshots')
  async list(@Query({ schema: catalogListQuery }) query: z.output<typeof catalogListQuery>) {
    const snapshots = await this.catalogs.list(query.before ?? null, PAGE);
    const next = snapshots.length < PAGE ? null : snapshots.at(-1)!.version;
    return { snapshots: snapshots.map(snapshotView), next };
  }

  /** 200 also where nothing was activated: what would be sold below cost is an answer, and asks for a decision. */
  @Post('activate')
  @HttpCode(200)
  async activate(@Body({ schema: activateCatalogBody }) body: z.output<typeof activateCatalogBody>) {
    const { document, version: stored, note, acceptBelowCost } = body;
    const choice = document === undefined ? { version: stored! } : { document, note };
    const { version, belowCost } = await this.catalogs.activate(choice, acceptBelowCost);
    return { activated: version !== null, version, belowCost: belowCost.map(belowCostView) };
  }
}
