import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { CommandError } from './errors.js';
import { OperatorClient } from './operator-client.js';

describe('OperatorClient', () => {
  // Guarantee: a platform that accepts the connection and then says nothing does not hold a terminal for ever.
  it('gives up on a platform that does not answer', async () => {
    const server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const opsUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const call = new OperatorClient({ opsUrl, operatorToken: 't' }, 50).get('/accounts/acc_1');
      await expect(call).rejects.toThrow(
        new CommandError(`The platform at ${opsUrl} did not answer within 0.05 s.`),
      );
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
