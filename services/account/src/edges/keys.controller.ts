import { Body, Controller, Get, HttpCode, Inject, Param, Patch, Post } from '@nestjs/common';
import type { z } from 'zod';
import { Keys } from '../keys.js';
import { changeBody, createKeyBody } from './bodies.js';
import { IdPipe } from './id.pipe.js';
import { keyView } from './views.js';

@Controller('operator/v1')
export class KeysController {
  constructor(@Inject(Keys) private readonly keys: Keys) {}

  @Post('accounts/:accountId/keys')
  async create(
    @Param('accountId', IdPipe) accountId: string,
    @Body({ schema: createKeyBody }) body: z.output<typeof createKeyBody>,
  ) {
    const {
      name,
      capUsd: cap = null,
      models = null,
      aliases,
      expiresAt = null,
      rpm = null,
      tpm = null,
      concurrency = null,
    } = body;
    const { apiKey, record } = await this.keys.create(accountId, {
      name,
      cap,
      models,
      aliases,
      expiresAt,
      limits: { rpm, tpm, concurrency },
    });
    return { keyId: record.keyId, apiKey };
  }

  @Get('accounts/:accountId/keys')
  async list(@Param('accountId', IdPipe) accountId: string) {
    return { keys: (await this.keys.list(accountId)).map(keyView) };
  }

  @Patch('keys/:keyId')
  async change(
    @Param('keyId', IdPipe) keyId: string,
    @Body({ schema: changeBody }) { aliases }: z.output<typeof changeBody>,
  ) {
    return keyView(await this.keys.setAliases(keyId, aliases));
  }

  @Post('keys/:keyId/revoke')
  @HttpCode(200)
  async revoke(@Param('keyId', IdPipe) keyId: string) {
    const { accountId, revokedAt, effective } = await this.keys.revoke(keyId);
    return { keyId, accountId, status: 'revoked', revokedAt: revokedAt.toISOString(), effective };
  }
}
