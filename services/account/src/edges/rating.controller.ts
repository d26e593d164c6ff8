import { Controller, Get, Inject, Query } from '@nestjs/common';
import type { z } from 'zod';
import { Credits } from '../credits.js';
import { reratingQuery } from './bodies.js';
import { differenceView } from './views.js';

@Controller('operator/v1/ledger')
export class RatingController {
  constructor(@Inject(Credits) private readonly credits: Credits) {}

  @Get('rerating')
  async rerate(@Query({ schema: reratingQuery }) query: z.output<typeof reratingQuery>) {
    const { account = null, after = null, limit } = query;
    const page = await this.credits.rerate(account, after, limit);
    return {
      events: page.events,
      chargedNano: page.charged.toString(),
      reratedNano: page.rerated.toString(),
      differences: page.differences.map(differenceView),
      next: page.next,
    };
  }
}
