import { describe, expect, it } from '@jest/globals';
import type OpenAI from 'openai';
import type { Platform } from '../e2e/topology.js';
import { newCustomer, openAi } from './customer.js';

/** Names of OpenAI's models, and the switches that an operator has for them. */
export const describeAliases = (platform: () => Platform): void => {
  const use = async (apiKey: string, model: string): Promise<readonly [string | number, string | null]> => {
    const messages = [{ role: 'user' as const, content: 'Hello!' }];
    try {
      const { data, response } = await openAi(platform(), apiKey)
        .chat.completions.create({ model, messages })
        .withResponse();
      return [data.model, response.headers.get('x-tunan-alias')];
    } catch (error) {
      const { status, code } = error as InstanceType<typeof OpenAI.APIError>;
      return [status!, code!];
    }
  };
  const look = async (apiKey: string, model: string): Promise<string | number> =>
    openAi(platform(), apiKey)
      .models.retrieve(model)
      .then(
        ({ id }) => id,
        (error: InstanceType<typeof OpenAI.APIError>) => `${error.status} ${error.code}`,
      );
  const NAMES = ['gpt-4o', 'openai/gpt-4o', 'DeepSeek-Chat'];

  describe('aliases', () => {
    it('are used and looked up as the model that they name', async () => {
      const { apiKey } = await newCustomer(platform());
      for (const name of NAMES) {
        expect(await use(apiKey, name)).toEqual(['deepseek-chat', encodeURIComponent(name)]);
        expect(await look(apiKey, name)).toBe('deepseek-chat');
      }
    });

    it('do not exist for a key, or an account, that has them off', async () => {
      const { accountId, apiKey: on } = await newCustomer(platform());
      const create = ['key', 'create', '--account', accountId, '--aliases'];
      const { apiKey: off } = await platform().cli<{ apiKey: string }>(...create, 'off');
      const expectOff = async (apiKey: string): Promise<void> => {
        for (const name of NAMES) {
          expect(await use(apiKey, name)).toEqual([404, 'model_not_found']);
          expect(await look(apiKey, name)).toBe('404 model_not_found');
        }
        expect(await use(apiKey, 'deepseek-chat')).toEqual(['deepseek-chat', null]);
        expect(await look(apiKey, 'deepseek-chat')).toBe('deepseek-chat');
      };
      await expectOff(off);
      expect(await use(on, 'gpt-4o')).toEqual(['deepseek-chat', 'gpt-4o']);
      await platform().cli('account', 'set', '--account', accountId, '--aliases', 'off');
      const { apiKey: later } = await platform().cli<{ apiKey: string }>(...create, 'on');
      await expectOff(later);
    });
  });
};
