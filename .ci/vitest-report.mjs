// node vitest-report.mjs SUITE REPORT FAILED: reads a JSON report of vitest, adds a line to the file FAILED for each test
// that failed, and prints how many passed.
import { appendFileSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

const [suite, report, failed] = process.argv.slice(2);
const { numPassedTests, testResults } = JSON.parse(readFileSync(report, 'utf8'));
for (const { name, status, message, assertionResults } of testResults) {
  const file = relative('.', name);
  const tests = assertionResults.filter((test) => test.status === 'failed');
  for (const { fullName, failureMessages } of tests) note(`${file}: ${fullName}: ${failureMessages[0]}`);
  // A file that could not be read, or whose hooks failed.
  if (status === 'failed' && tests.length === 0) note(`${file}: ${message}`);
}
console.log(numPassedTests);

function note(text) {
  appendFileSync(failed, `${suite}: ${text.split('\n')[0].slice(0, 300)}\n`);
}
