import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import type { z } from 'zod';
import { Credits } from '../credits.js';
import { creditBody, ledgerQuery } from './bodies.js';
import { IdPipe } from './id.pipe.js';
import { entryView } from './views.js';

@Controller('operator/v1/accounts/:accountId')
export class CreditsController {
  constructor(@Inject(Credits) private readonly credits: Credits) {}

  /** 200 and not 201: a reference that was credited before gives the same answer. */
  @Post('credits')
  @HttpCode(200)
  async add(
    @Param('accountId', IdPipe) accountId: string,
    @Body({ schema: creditBody }) body: z.output<typeof creditBody>,
  ) {
    const { amountUsd: amount, kind, reference } = body;
    const { balance, posted } = await this.credits.add(accountId, { amount, kind, reference });
    return { balanceNano: balance.toString(), posted };
  }

  @Get('ledger')
  async ledger(
    @Param('accountId', IdPipe) accountId: string,
    @Query({ schema: ledgerQuery }) query: z.output<typeof ledgerQuery>,
  ) {
    const { balance, entries, next } = await this.credits.ledger(accountId, query.after ?? null, query.limit);
    return { balanceNano: balance.toString(), entries: entries.map(entryView), next };
  }
}
