import { describe, expect, it } from '@jest/globals';
import { SERVICE_NAMES } from '@tunan/contracts';
import { parseArguments, UsageError } from './arguments.js';

describe('the command line', () => {
  // Guarantee: stand-ins run only where they were asked for.
  it('is production with every real service unless it says otherwise', () => {
    expect(parseArguments([])).toEqual({
      mode: 'production',
      targets: SERVICE_NAMES.filter((name) => name !== 'simulator'),
      action: 'run',
      readyFile: undefined,
      allowEmbedded: false,
      variables: {},
    });
    expect(parseArguments(['--mode', 'embedded']).targets).toEqual(SERVICE_NAMES);
  });

  it('passes options on under the names of their variables', () => {
    const given = ['--port', '0', '--host', '::1', '--data-dir', 'd', '--ops-port', '1'];
    expect(parseArguments(given).variables).toEqual({
      TUNAN_PORT: '0',
      TUNAN_HOST: '::1',
      TUNAN_DATA_DIR: 'd',
      TUNAN_OPS_PORT: '1',
    });
  });

  it('takes targets in any order, each once', () => {
    expect(parseArguments(['--target', 'router, auth,router']).targets).toEqual(['auth', 'router']);
  });

  it.each([
    [['--target', 'kafka'], "no service named 'kafka'"],
    [['--target', ''], "no service named ''"],
    [['--target', 'simulator'], 'mode embedded only'],
    [['--mode', 'demo'], '--mode'],
    [['--port'], '--port'],
    [['now'], 'now'],
  ])('refuses %j in one line', (argv, word) => {
    expect(() => parseArguments(argv)).toThrow(UsageError);
    expect(() => parseArguments(argv)).toThrow(word);
    expect(() => parseArguments(argv)).toThrow(/^[^\n]+$/);
  });
});
