import { environment, readConfig } from '@tunan/config';
import { PROVIDER_IDS } from '@tunan/contracts';
import { SystemClock } from '@tunan/kernel';
import { connectorConfig, providerSettings } from '../connector.config.js';
import { DIALECTS } from '../providers/index.js';
import { checkProvider } from './check-provider.js';

/** `npm run providers:check`: a small live test of every provider whose key is set. */
const config = readConfig(connectorConfig, environment());
const tell = (line: string): void => void process.stdout.write(`${line}\n`);
const clock = new SystemClock();

for (const provider of PROVIDER_IDS) {
  const { apiKey, baseUrl } = providerSettings(config, provider);
  if (apiKey === undefined) {
    tell(`${provider}: no key, not checked`);
    continue;
  }
  const endpoint = { baseUrl: baseUrl ?? DIALECTS[provider].baseUrl, apiKey: apiKey.reveal() };
  tell(`${provider}: ${endpoint.baseUrl}`);
  if (!(await checkProvider(provider, endpoint, clock, tell))) process.exitCode = 1;
}
