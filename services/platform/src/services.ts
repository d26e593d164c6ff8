import { account } from '@tunan/account';
import { auth } from '@tunan/auth';
import { billing } from '@tunan/billing';
import { connector } from '@tunan/connector';
import type { ServiceName } from '@tunan/contracts';
import { ingress } from '@tunan/ingress';
import { router } from '@tunan/router';
import type { ServiceDefinition } from '@tunan/service-kit';
import { simulator } from '@tunan/simulator';

/**
 * Every service, in the order in which they start; they stop in reverse, so that what serves customers ends first and
 * what it needs is still there.
 */
const SERVICES = [
  simulator,
  billing,
  auth,
  account,
  connector,
  router,
  ingress,
] as readonly ServiceDefinition[];

/** The definitions of some targets, in start order. */
export const definitionsOf = (targets: readonly ServiceName[]): readonly ServiceDefinition[] =>
  SERVICES.filter((service) => targets.includes(service.name));
