'use strict';

const { scripts } = require('../../../package.json');

const WHAT = {
  start: 'run the whole platform (npm start -- --help for options)',
  test: 'run all tests (npm test -- PATH for some)',
  'test:clients': 'the Python clients against the whole platform (needs Python and its package index)',
  'test:mutants': 'seeded defects that the tests have to notice',
  build: 'build what changed',
  typecheck: 'check the types',
  lint: 'check the code against the lint rules',
  format: 'format everything',
  check: 'every static check of CI',
  bench: 'what the gateway costs, beside a bare proxy (npm run bench -- --help)',
  tunan: 'the command line (npm run --silent tunan -- --help)',
  'providers:check': 'ask every provider whose key is set, and say which inferred facts hold',
  help: 'this list',
};

for (const name of Object.keys(scripts))
  if (WHAT[name]) console.log(`npm run ${name.padEnd(16)} ${WHAT[name]}`);
