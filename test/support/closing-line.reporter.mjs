import { writeSync } from 'node:fs';

/** Ends a Jest run with the one line that tools read: `N passed, N failed`, and the skipped ones if there are any. */
export default class ClosingLineReporter {
  onRunComplete(_contexts, results) {
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests + results.numTodoTests;
    const tail = skipped > 0 ? `, ${skipped} skipped` : '';
    const line = `\n${results.numPassedTests} passed, ${failed} failed${tail}\n`;
    // Jest prints its own summary after every reporter; this line comes last.
    process.once('exit', () => writeSync(process.stderr.fd, line));
  }
}
