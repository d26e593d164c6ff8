import { Body, Controller, Get, Inject, Param, Patch, Post, Query } from '@nestjs/common';
import type { z } from 'zod';
import { Accounts, type CreatedAccount } from '../accounts.js';
import { accountQuery, changeBody, createAccountBody } from './bodies.js';
import { IdPipe } from './id.pipe.js';
import { accountView } from './views.js';

@Controller('operator/v1/accounts')
export class AccountsController {
  constructor(@Inject(Accounts) private readonly accounts: Accounts) {}

  @Post()
  create(
    @Body({ schema: createAccountBody }) body: z.output<typeof createAccountBody>,
  ): Promise<CreatedAccount> {
    const { email, displayName, creditUsd: credit, rpm = null, tpm = null, concurrency = null } = body;
    return this.accounts.create({ email, displayName, credit, limits: { rpm, tpm, concurrency } });
  }

  @Get()
  async find(@Query({ schema: accountQuery }) query: z.output<typeof accountQuery>) {
    return accountView(await this.accounts.getByEmail(query.email));
  }

  @Get(':accountId')
  async get(@Param('accountId', IdPipe) accountId: string) {
    return accountView(await this.accounts.get(accountId));
  }

  @Patch(':accountId')
  async change(
    @Param('accountId', IdPipe) accountId: string,
    @Body({ schema: changeBody }) { aliases }: z.output<typeof changeBody>,
  ) {
    return accountView(await this.accounts.setAliases(accountId, aliases));
  }
}
