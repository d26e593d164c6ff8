#!/usr/bin/env node
import { environment } from '@tunan/config';
import { run } from './run.js';

// The status is set, not forced: a pipe may still have to take what was written.
process.exitCode = await run(process.argv.slice(2), {
  variables: environment(),
  out: (line) => process.stdout.write(`${line}\n`),
  error: (line) => process.stderr.write(`${line}\n`),
});
