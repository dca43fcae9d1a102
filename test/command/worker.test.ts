import { expect, test } from 'vitest';
import { menagerie } from './run.ts';

const ARTIFACT_STORE = 's3://zoo';
const JOB_QUEUE = 'redis://127.0.0.1:1';

test('a worker without a Redis says what is missing', async () => {
  const { code, stdout, stderr } = await menagerie(['worker'], { ARTIFACT_STORE });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^JOB_QUEUE names no Redis: .*JOB_QUEUE=redis:\/\/host:6379\n/);
});

test('a worker whose models no server would find says so', async () => {
  const { code, stdout, stderr } = await menagerie(['worker'], { JOB_QUEUE });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^ARTIFACT_STORE names no bucket: .*ARTIFACT_STORE=s3:\/\/bucket\/prefix\n/);
});
