import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { SERVICE_NAMES } from '@tunan/contracts';
import { cliJson, eventually, freePorts, HOST_ENTRY, HostProcess, tempDir } from '@tunan/testing';

interface Readiness {
  readonly status: string;
  readonly lacks: readonly string[];
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const newDir = (): string => {
  const dir = tempDir();
  cleanups.push(() => dir.remove());
  return dir.path;
};

const start = async (
  dataDir: string,
  args: string[] = [],
  env: Record<string, string> = {},
): Promise<HostProcess> => {
  const host = await HostProcess.start({ dataDir, args, env });
  cleanups.push(() => host.stop());
  return host;
};

/** Runs a host that is expected to end by itself. */
const runHost = (args: string[], env: Record<string, string> = {}) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [HOST_ENTRY, '--mode', 'embedded', ...args],
    {
      env: { PATH: process.env['PATH'], ...env },
      encoding: 'utf8',
      timeout: 30_000,
    },
  );
  return { status, stdout, stderr };
};

/** Permission bits do not bind the superuser, who cannot make folders in /proc either. */
const unwritableDir = (): string => {
  if (process.getuid?.() === 0) return '/proc/tunan';
  const dir = join(newDir(), 'read-only');
  mkdirSync(dir);
  chmodSync(dir, 0o555);
  return dir;
};

const oneLine = /^tunan: [^\n]+\n$/;

describe('a target alone', () => {
  /** What each service waits for when nothing else runs; a service that needs nothing is ready by itself. */
  const LACKS: Readonly<Record<(typeof SERVICE_NAMES)[number], readonly string[]>> = {
    account: ['auth', 'billing'],
    auth: ['billing', 'catalog'],
    billing: ['auth'],
    connector: ['simulator'],
    ingress: ['auth', 'catalog', 'router'],
    router: ['auth', 'catalog', 'connector'],
    simulator: [],
  };

  it.each(SERVICE_NAMES)(
    '%s boots, is alive, and says what it lacks',
    async (name) => {
      const [port, unused] = await freePorts(2);
      const nobody = `http://127.0.0.1:${unused}`;
      const env = Object.fromEntries(
        SERVICE_NAMES.map((service) => [`${service.toUpperCase()}_URL`, nobody]),
      );
      const { facts } = await start(
        newDir(),
        ['--target', name, '--internal-port', String(port), '--simulator-port', '0'],
        env,
      );
      expect((await fetch(`${facts.opsUrl}/livez`)).status).toBe(200);
      const answer = await fetch(`${facts.opsUrl}/readyz`);
      const { status, lacks } = (await answer.json()) as Readiness;
      const lacking = LACKS[name];
      expect([answer.status, status]).toEqual(lacking.length === 0 ? [200, 'ready'] : [503, 'not ready']);
      for (const part of lacking) expect(lacks.join('\n')).toContain(part);
    },
    60_000,
  );
});

describe('the host', () => {
  it('has exactly one handler for SIGTERM, stops on it and exits with 0', async () => {
    const host = await start(newDir());
    const signals = await eventually('the signals are listed', () => {
      const { stdout } = spawnSync('sh', ['-c', `grep SigCgt /proc/${host.child.pid}/status`], {
        encoding: 'utf8',
      });
      return stdout;
    });
    // Bit 14 of the caught signals is SIGTERM: it is caught at all. How many listeners there are, the process says.
    expect(BigInt(`0x${signals.split(/\s+/)[1]}`) & (1n << 14n)).not.toBe(0n);
    const metrics = await (await fetch(`${host.facts.opsUrl}/metrics`)).text();
    expect(metrics).toMatch(/^tunan_signal_listeners\{signal="SIGTERM"\} 1$/m);
    expect(await host.stop()).toBe(0);
  }, 90_000);

  it('keeps accounts, keys and balance over a restart, and over a crash', async () => {
    const dataDir = newDir();
    const call = (host: HostProcess) =>
      fetch(`${host.facts.apiUrl}/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${host.facts.apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'deepseek-chat', messages: [{ role: 'user', content: 'Hello!' }] }),
      });
    const first = await start(dataDir);
    expect((await call(first)).status).toBe(200);
    await first.stop();
    const second = await start(dataDir);
    expect(second.facts.apiKey).toBe(first.facts.apiKey);
    expect((await call(second)).status).toBe(200);
    await second.kill();
    const third = await start(dataDir);
    const answer = await fetch(third.facts.apiUrl!.replace('/v1', '/api/user/self'), {
      headers: { authorization: `Bearer ${third.facts.apiKey}` },
    });
    const { data } = (await answer.json()) as { data: { quota: number; request_count: number } };
    expect(data.request_count).toBe(2);
    expect(data.quota).toBeLessThan(250_000);
    expect(data.quota).toBeGreaterThan(249_000);
  }, 120_000);

  it('ends a stream that outlives the drain with an event that says why', async () => {
    const host = await start(newDir(), [], { DRAIN_MS_MAX: '200' });
    const answer = await fetch(`${host.facts.apiUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${host.facts.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'deepseek-chat',
        stream: true,
        messages: [{ role: 'user', content: '[[sim tokens=4000 chunk_delay_ms=50]] Write a poem.' }],
      }),
    });
    expect(answer.status).toBe(200);
    const [text, code] = await Promise.all([answer.text(), host.stop()]);
    expect(code).toBe(0);
    expect(JSON.parse(text.trimEnd().split('\n\ndata: ').at(-1)!)).toMatchObject({
      error: { type: 'api_error', code: 'service_unavailable', param: null },
    });
  }, 90_000);

  it('stops while it starts, and leaves no database behind', async () => {
    const dataDir = newDir();
    const first = await start(dataDir);
    await first.stop();
    const postmaster = join(dataDir, 'postgres', 'data', 'postmaster.pid');
    for (const step of ['Starting PostgreSQL', 'Starting auth']) {
      const child = spawn(process.execPath, [
        HOST_ENTRY,
        '--mode',
        'embedded',
        '--port',
        '0',
        '--data-dir',
        dataDir,
      ]);
      let printed = '';
      const collect = (chunk: Buffer): void => {
        printed += chunk.toString();
        if (printed.includes(step)) child.kill('SIGTERM');
      };
      child.stdout.on('data', collect);
      child.stderr.on('data', collect);
      await eventually('it has ended', () => child.exitCode !== null || child.signalCode !== null, 30_000);
      expect([step, child.exitCode, printed]).toEqual([step, 0, expect.not.stringMatching(/Error|tunan:/)]);
      expect(existsSync(postmaster)).toBe(false);
    }
  }, 120_000);

  it('prints a key that works, also after the kept one was revoked', async () => {
    const dataDir = newDir();
    const first = await start(dataDir);
    const account = await cliJson<{ accountId: string }>(
      ['account', 'show', '--email', 'demo@tunan.localhost', '--data-dir', dataDir],
      {},
    );
    const [key] = (
      await cliJson<{ keys: { keyId: string }[] }>(
        ['key', 'list', '--account', account.accountId, '--data-dir', dataDir],
        {},
      )
    ).keys;
    await cliJson(['key', 'revoke', '--key', key!.keyId, '--data-dir', dataDir], {});
    await first.stop();
    const second = await start(dataDir);
    expect(second.facts.apiKey).not.toBe(first.facts.apiKey);
    const models = await fetch(`${second.facts.apiUrl}/models`, {
      headers: { authorization: `Bearer ${second.facts.apiKey}` },
    });
    expect(models.status).toBe(200);
  }, 120_000);

  it('refuses a second host on the same data, in one line', async () => {
    const dataDir = newDir();
    await start(dataDir);
    const { status, stderr } = runHost(['--data-dir', dataDir, '--port', '0']);
    expect(status).toBe(1);
    expect(stderr).toMatch(oneLine);
    expect(stderr).toContain('in use by another running host');
  }, 90_000);

  it('refuses a port that is taken, in one line', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => blocker.close());
    const { port } = blocker.address() as { port: number };
    const { status, stderr } = runHost(['--data-dir', newDir(), '--port', String(port)]);
    expect(status).toBe(1);
    expect(stderr).toMatch(oneLine);
    expect(stderr).toContain(`port ${port}`);
  }, 30_000);

  it('refuses a data folder that cannot be a folder, in one line', () => {
    const file = join(newDir(), 'a-file');
    writeFileSync(file, '');
    const { status, stderr } = runHost(['--data-dir', join(file, 'data'), '--port', '0']);
    expect(status).toBe(1);
    expect(stderr).toMatch(oneLine);
    expect(stderr).toContain('cannot be written');
  }, 30_000);

  it('refuses a data folder that it may not write, in one line', () => {
    const dir = unwritableDir();
    const { status, stderr } = runHost(['--data-dir', dir, '--port', '0']);
    expect([status, oneLine.test(stderr)]).toEqual([1, true]);
    expect(stderr).toContain('cannot be written');
  });

  it.each([
    ['a setting out of range', [], { TUNAN_PORT: '70000' }, 'TUNAN_PORT'],
    ['an unknown target', ['--target', 'kafka'], {}, 'kafka'],
    ['an unknown option', ['--frobnicate'], {}, 'frobnicate'],
    ['an address beyond loopback', ['--host', '0.0.0.0'], {}, 'loopback'],
    ['a payment key', [], { STRIPE_SECRET_KEY: 'sk_live_x' }, 'STRIPE_SECRET_KEY'],
    ['a database URL that is none', [], { DATABASE_URL: 'notaurl' }, 'DATABASE_URL'],
    ['a provider key with a line break', [], { DEEPSEEK_API_KEY: 'a\nb' }, 'DEEPSEEK_API_KEY'],
    ['a ready file that it cannot write', ['--ready-file', '/nonexistent/ready.json'], {}, '--ready-file'],
    [
      'a catalog file that is not there',
      ['--port', '0'],
      { CATALOG_FILE: '/nonexistent.yaml' },
      'CATALOG_FILE',
    ],
  ])('refuses %s, in one line', (_, args, env, word) => {
    const { status, stderr } = runHost([...args, '--data-dir', newDir()], env as Record<string, string>);
    expect(status).toBe(1);
    expect(stderr).toMatch(oneLine);
    expect(stderr).toContain(word);
  });

  it('refuses secrets that are damaged, in one line', () => {
    const dataDir = newDir();
    writeFileSync(join(dataDir, 'secrets.json'), '');
    const { status, stderr } = runHost(['--data-dir', dataDir, '--port', '0']);
    expect([status, oneLine.test(stderr)]).toEqual([1, true]);
    expect(stderr).toContain('secrets.json is damaged');
  });

  it('takes an empty variable as one that is not set', () => {
    const empty = { KEY_PEPPER: '', OPERATOR_TOKEN: '', INTERNAL_TOKEN: '', TUNAN_PORT: '' };
    expect(runHost(['--validate'], empty)).toMatchObject({ status: 0 });
  });

  it('names every broken setting at once', () => {
    const { stderr } = runHost(['--validate'], { TUNAN_PORT: 'x', LOG_LEVEL: 'loud' });
    expect(stderr).toContain('TUNAN_PORT');
    expect(stderr).toContain('LOG_LEVEL');
  });

  it('checks and prints settings without starting anything, and prints no secret', () => {
    expect(runHost(['--validate'])).toMatchObject({ status: 0, stdout: 'The settings are valid.\n' });
    const { status, stdout } = runHost(['--print-config'], {
      DEEPSEEK_API_KEY: 'sk-very-secret',
      DATABASE_URL: 'postgres://u:hush@h/d',
    });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      mode: 'embedded',
      host: { TUNAN_PORT: 8080, DATABASE_URL: '[redacted]' },
    });
    expect(stdout).not.toMatch(/very-secret|hush/);
  });

  it('tells what it can do', () => {
    const { status, stdout } = runHost(['--help']);
    expect(status).toBe(0);
    for (const option of ['--target', '--port', '--data-dir', '--ready-file', '--validate', '--print-config'])
      expect(stdout).toContain(option);
  });
});
