// A rule that cannot fail protects nothing: each of these pieces of code breaks one rule and must be reported.
import { ESLint } from 'eslint';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const BOUNDARY = '@nx/enforce-module-boundaries';

/** [what must not pass, where it stands, the code, the rule that must report it] */
const FIXTURES = [
  ['the kernel imports a library', 'libs/kernel/src/money.ts', "import '@tunan/config';", BOUNDARY],
  ['contracts import a library', 'libs/contracts/src/wire.ts', "import '@tunan/config';", BOUNDARY],
  ['a pure library imports an impure one', 'libs/llm/src/index.ts', "import '@tunan/config';", BOUNDARY],
  ['a library imports a service', 'libs/config/src/index.ts', "import '@tunan/ingress';", BOUNDARY],
  [
    'a library imports a pure library of the data plane',
    'libs/config/src/index.ts',
    "import '@tunan/llm';",
    BOUNDARY,
  ],
  ['a service imports another', 'services/ingress/src/index.ts', "import '@tunan/auth';", BOUNDARY],
  [
    'a service imports the test harness',
    'services/ingress/src/index.ts',
    "import '@tunan/testing';",
    BOUNDARY,
  ],
  [
    'the host imports the test harness',
    'services/platform/src/main.ts',
    "import '@tunan/testing';",
    BOUNDARY,
  ],
  ['the test harness imports a service', 'libs/testing/src/index.ts', "import '@tunan/auth';", BOUNDARY],
  [
    'the kernel does input and output',
    'libs/kernel/src/money.ts',
    "import 'node:fs';",
    'no-restricted-imports',
  ],
  [
    'a domain does input and output',
    'services/ingress/src/domain/denial.ts',
    "import 'undici';",
    'no-restricted-imports',
  ],
  [
    'a domain uses a framework',
    'services/ingress/src/domain/denial.ts',
    "import '@nestjs/common';",
    'no-restricted-imports',
  ],
  [
    'a domain reads the clock',
    'services/ingress/src/domain/denial.ts',
    'export const at = Date.now();',
    'no-restricted-properties',
  ],
  [
    'a domain draws lots',
    'services/ingress/src/domain/denial.ts',
    'export const dice = Math.random();',
    'no-restricted-properties',
  ],
  [
    'a domain sets a timer',
    'services/ingress/src/domain/denial.ts',
    'setTimeout(() => undefined, 1);',
    'no-restricted-globals',
  ],
  [
    'a service reads the environment',
    'services/ingress/src/index.ts',
    'export const home = process.env;',
    'no-restricted-properties',
  ],
  [
    'money becomes a float',
    'services/billing/src/index.ts',
    'export const f = (costNano: bigint) => Number(costNano);',
    'no-restricted-syntax',
  ],
  [
    'money is parsed as a float',
    'services/billing/src/index.ts',
    "export const f = parseFloat('0.1');",
    'no-restricted-syntax',
  ],
  [
    'money is parsed as a float by another name',
    'services/billing/src/index.ts',
    "export const f = Number.parseFloat('0.1');",
    'no-restricted-syntax',
  ],
  [
    'money becomes a float by way of text',
    'services/billing/src/index.ts',
    'export const f = (costNano: bigint) => Number(`${costNano}`);',
    'no-restricted-syntax',
  ],
  ...[
    ['knows its service', "import '../public-api.js';", 'no-restricted-imports'],
    ['knows the edges', "import '../edges/store.js';", 'no-restricted-imports'],
    ['does input and output by an old name', "import 'fs';", 'no-restricted-imports'],
    [
      'reads the environment',
      "import { env } from 'node:process'; export const e = env;",
      'no-restricted-imports',
    ],
    [
      'draws lots',
      "import { randomUUID } from 'node:crypto'; export const id = randomUUID;",
      'no-restricted-imports',
    ],
    ['reads the clock by a constructor', 'export const now = new Date();', 'no-restricted-syntax'],
  ].map(([what, code, rule]) => [`a domain ${what}`, 'services/ingress/src/domain/denial.ts', code, rule]),
  [
    'a type is not used as one',
    'services/billing/src/index.ts',
    "import { Clock } from '@tunan/kernel'; export type C = Clock;",
    '@typescript-eslint/consistent-type-imports',
  ],
  [
    'something is any',
    'services/billing/src/index.ts',
    'export const f = (x: any) => x;',
    '@typescript-eslint/no-explicit-any',
  ],
  [
    'values are compared loosely',
    'services/billing/src/index.ts',
    "export const f = (x: string) => x == '';",
    'eqeqeq',
  ],
  ['a file is too long', 'services/billing/src/index.ts', 'export {};\n'.repeat(401), 'max-lines'],
  [
    'a function is too long',
    'services/billing/src/index.ts',
    `export const f = () => {\n${'f();\n'.repeat(70)}};`,
    'max-lines-per-function',
  ],
  ...[
    ['a library', "import { priceOf } from '@tunan/kernel'; export const p = priceOf;"],
    ['a type of a library', "export type { Usage } from '@tunan/contracts';"],
    ['the source of a library', "import '../../libs/kernel/src/money.js';"],
    ['the source of a service', "import '../../services/auth/src/domain/charge.js';"],
    ['another test, which may import anything', "import '../money/books.js';"],
    ['another test by a detour', "import './../money/books.js';"],
    ['a package', "import 'openai';"],
  ].map(([what, code]) => [
    `the oracle imports ${what}`,
    'test/oracle/verdict.ts',
    code,
    'no-restricted-imports',
  ]),
  [
    'the oracle of the simulation imports what it judges',
    'test/simulation/oracle.ts',
    "import '@tunan/kernel';",
    'no-restricted-imports',
  ],
  [
    'the oracle imports at run time',
    'test/oracle/verdict.ts',
    "export const kernel = import('@tunan/kernel');",
    'no-restricted-syntax',
  ],
];

const eslint = new ESLint({ cwd: root });
let failed = 0;
for (const [what, filePath, code, rule] of FIXTURES) {
  const [result] = await eslint.lintText(`${code}\n`, { filePath: `${root}${filePath}` });
  if (result.messages.some((message) => message.ruleId === rule)) continue;
  failed += 1;
  console.error(`not reported: ${what} (${rule} in ${filePath})`);
}
console.log(`${FIXTURES.length - failed} of ${FIXTURES.length} broken rules reported`);
process.exit(failed === 0 ? 0 : 1);
