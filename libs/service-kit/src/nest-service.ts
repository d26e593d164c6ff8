import 'reflect-metadata';
import { Module, type DynamicModule, type INestApplicationContext, type Provider } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { ConfigSchema } from '@tunan/config';
import type { ServiceContext } from './service.js';
import { NestLogger } from './nest-logger.js';

@Module({})
class ServiceModule {}

/** Wraps providers into the module that is a service's whole injection scope. */
export const serviceModule = (providers: readonly Provider[]): DynamicModule => ({
  module: ServiceModule,
  providers: [...providers],
});

/**
 * Builds a service's own Nest context. Each service has its own, so that a provider missing from one service can't be
 * hidden by another that runs in the same process. Signals stay the host's.
 */
export const createNestContext = <Schema extends ConfigSchema>(
  module: DynamicModule,
  context: ServiceContext<Schema>,
): Promise<INestApplicationContext> =>
  NestFactory.createApplicationContext(module, {
    logger: new NestLogger(context.logger),
    abortOnError: false,
  });
