import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { inferenceMethods } from '../../src/grpc/inference-methods.ts';
import { CONFIG, completed } from '../http/fixture.ts';
import { expectKnownSeries, filtersOf, knownValues } from '../metrics/known-series.ts';

/** Prometheus's own checker, of Debian's package `prometheus`. */
const promtool = process.env['PROMTOOL'] ?? 'promtool';
const hasPromtool = spawnSync(promtool, ['--version']).status === 0;

const FOLDER = 'scripts/deploy/kubernetes';
/** The fields of https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.PrometheusRule */
const ruleSchema = z.strictObject({
  apiVersion: z.literal('monitoring.coreos.com/v1'),
  kind: z.literal('PrometheusRule'),
  metadata: z.strictObject({ name: z.string(), labels: z.record(z.string(), z.string()) }),
  spec: z.strictObject({
    groups: z.array(
      z.strictObject({
        name: z.string(),
        rules: z.array(
          z.strictObject({
            alert: z.string().regex(/^Menagerie[A-Z]\w+$/),
            expr: z.string(),
            for: z
              .string()
              .regex(/^\d+m$/)
              .optional(),
            labels: z.strictObject({ severity: z.enum(['warning', 'critical']) }),
            annotations: z.strictObject({ summary: z.string().min(20), description: z.string().min(60) }),
          }),
        ),
      }),
    ),
  }),
});
const { spec } = ruleSchema.parse(parse(readFileSync(`${FOLDER}/alerts.yaml`, 'utf8')));
const rules = spec.groups.flatMap((group) => group.rules);
const { paths } = z
  .object({ paths: z.record(z.string(), z.unknown()) })
  .parse(parse(readFileSync('openapi.yaml', 'utf8')));
/** What requests are counted under, of HTTP and gRPC. */
const ROUTES = [...Object.keys(paths), ...inferenceMethods(completed({ config: CONFIG })).map(({ path }) => path)];

/** Values that a label may have; undefined for the statuses of answers, which are as various as the clients. */
function valuesOf(name: string, label: string): readonly string[] | undefined {
  if (label === 'status') return undefined;
  return label === 'route' ? ROUTES : [...knownValues(name, label)];
}

describe.each(rules)('$alert', ({ expr, annotations }) => {
  test('asks for metrics that a server has, by labels and values that they have', () => {
    expectKnownSeries(expr);
    for (const { name, label, value } of filtersOf(expr)) {
      const known = valuesOf(name, label);
      for (const each of value.split('|')) {
        const isKnown = known?.some((one) => new RegExp(`^(?:${each})$`).test(one)) ?? true;
        expect(isKnown, `${name} ${label} ${each}`).toBe(true);
      }
    }
  });

  test('names metrics that a server has in its words, and labels that its query keeps', () => {
    const words = Object.values(annotations).join(' ');
    for (const [name] of words.matchAll(/menagerie_\w+/g)) expectKnownSeries(name.replace(/_seconds$/, '$&_sum'));
    const kept = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, labels = '']) => labels.split(', '));
    for (const [, label = ''] of words.matchAll(/\$labels\.(\w+)/g)) expect(kept).toContain(label);
  });
});

test('each has a name of its own', () => {
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
});

test('that of memory comes before the limit of the pod', () => {
  const pod = readFileSync(`${FOLDER}/base/server.yaml`, 'utf8');
  const gibibytes = [...pod.matchAll(/memory: (\d+)Gi/g)].map(([, number]) => Number(number));
  const [, factor = '', limit = ''] = /> ([\d.]+) \* (\d+) \* 2 \^ 30$/.exec(exprOf('MenagerieMemory')) ?? [];
  expect(Number(factor)).toBeLessThan(1);
  expect(Number(limit)).toBe(Math.max(...gibibytes));
});

test.skipIf(!hasPromtool)('Prometheus takes them as rules of its own (skipped without promtool)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'menagerie-alerts-'));
  const path = join(folder, 'rules.yaml');
  await writeFile(path, stringify(spec));
  const { status, stdout, stderr } = spawnSync(promtool, ['check', 'rules', path], { encoding: 'utf8' });
  await rm(folder, { recursive: true });
  expect(status, stdout + stderr).toBe(0);
});

function exprOf(alert: string): string {
  return rules.find((rule) => rule.alert === alert)?.expr ?? '';
}
