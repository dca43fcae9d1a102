import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { allMetrics } from './all-metrics.ts';

/** Prometheus's own checker, of Debian's package `prometheus`. */
const promtool = process.env['PROMTOOL'] ?? 'promtool';
const isThere = spawnSync(promtool, ['--version']).status === 0;

test.skipIf(!isThere)('promtool finds no fault in the metrics (skipped where it is not installed)', async () => {
  const { status, stderr } = spawnSync(promtool, ['check', 'metrics'], { input: await allMetrics(), encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
});

test('jobs, uploads and pulls are counted by outcome; what is in flight and what answers is measured', async () => {
  const text = await allMetrics();
  for (const line of [
    'menagerie_jobs{state="queued"} 1',
    'menagerie_jobs{state="running"} 0',
    'menagerie_jobs_ended_total{outcome="succeeded"} 1',
    'menagerie_jobs_ended_total{outcome="interrupted"} 0',
    'menagerie_job_duration_seconds_count 1',
    'menagerie_uploads_total{outcome="taken"} 1',
    'menagerie_uploaded_bytes_total 1000',
    'menagerie_uploads_in_flight 1',
    'menagerie_pulls_total{outcome="failed"} 1',
    'menagerie_pulls_in_flight 0',
    'menagerie_body_bytes_in_flight 77',
    'menagerie_dependency_up{dependency="s3"} 1',
    'menagerie_dependency_up{dependency="redis"} 0',
    'menagerie_process_cpu_seconds_total{process="server"} 1.5',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
  expect(text).toMatch(/^menagerie_job_phase_seconds_total\{phase="training"\} /m);
});

test('every name has the unit or the ending that Prometheus recommends, and help', async () => {
  const text = await allMetrics();
  for (const [, name = '', type] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
    expect(name).not.toMatch(/_(ms|milliseconds|kb|mb|percent)(_|$)/);
    expect(text).toMatch(new RegExp(`^# HELP ${name} \\w`, 'm'));
  }
});
