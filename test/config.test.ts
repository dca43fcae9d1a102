import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeSettings, readConfig } from '../src/config.ts';

describe('settings from the environment', () => {
  test('each has a default, so that an empty environment serves on loopback', () => {
    const config = readConfig({});
    expect(config.host).toBe('127.0.0.1');
    expect(config.port).toBe(8080);
    expect(isAbsolute(config.dataDir)).toBe(true);
  });

  test('numbers are read from text, and an empty value counts as unset', () => {
    const config = readConfig({ PORT: '9000', QUEUE_LIMIT: '' });
    expect(config.port).toBe(9000);
    expect(config.queueLimit).toBe(readConfig({}).queueLimit);
  });

  test.each([
    ['JOB_QUEUE', 'reddis://:secret@host', 'must be an address such as redis://host:6379'],
    ['JOB_QUEUE', 'redis://host?password=secret', 'must be an address such as redis://host:6379'],
    ['JOB_QUEUE', 'redis://user:secret', 'must be an address such as redis://host:6379'],
    ['ARTIFACT_STORE', 's3://key:secret@bucket', 'must be s3://bucket or s3://bucket/prefix'],
    ['ARTIFACT_STORE', 'https://s3.example/bucket?X-Amz-Credential=secret', 'must be s3://bucket'],
  ])('a wrong %s is not shown, since %s has a secret in it', (name, address, hint) => {
    const inFile = { path: 'menagerie.yaml', settings: { [name]: { text: address, line: 3 } } };
    for (const wrong of [() => readConfig({ [name]: address }), () => readConfig({}, inFile)]) {
      expect(wrong).toThrow(`${name}=…: ${hint}`);
      expect(wrong).not.toThrow('secret');
    }
  });

  test('every wrong one is named, with what was given', () => {
    expect(() => readConfig({ PORT: 'abc', MAX_BATCH_SIZE: '0' })).toThrow(/PORT=abc[\s\S]*MAX_BATCH_SIZE=0/);
  });

  test.each([
    ['TRUST_PROXY', 'true', 'trustProxy', 1],
    ['TRUST_PROXY', 'false', 'trustProxy', 0],
    ['TRUST_PROXY', '2', 'trustProxy', 2],
    ['BASE_PATH', '/zoo/', 'basePath', '/zoo'],
    ['BASE_PATH', '/', 'basePath', ''],
    ['HOST', '[::1]', 'host', '::1'],
  ] as const)('%s may be %s', (name, text, key, value) => {
    expect(readConfig({ [name]: text })[key]).toBe(value);
  });

  test.each([
    ['TRUST_PROXY', 'maybe', 'number of proxies'],
    ['BASE_PATH', 'zoo', '/zoo'],
    ['BASE_PATH', '//evil.example', '/zoo'],
    ['ALLOWED_ORIGINS', '*', 'https://app.example'],
    ['ALLOWED_ORIGINS', 'https://app.example/path', 'without a path'],
    ['ALLOWED_ORIGINS', 'app.example', 'https://app.example'],
    ['ARTIFACT_STORE', 'zoo', 's3://bucket/prefix'],
  ])('%s must not be %s', (name, text, hint) => {
    expect(() => readConfig({ [name]: text })).toThrow(hint);
  });

  test('the address of an S3 API comes from the variables of its client', () => {
    expect(readConfig({}).s3Endpoint).toBeUndefined();
    expect(readConfig({ AWS_ENDPOINT_URL: 'http://all' }).s3Endpoint).toBe('http://all');
    expect(readConfig({ AWS_ENDPOINT_URL: 'http://all', AWS_ENDPOINT_URL_S3: 'http://s3' }).s3Endpoint).toBe(
      'http://s3',
    );
  });

  test('README lists each with its default, range and description', () => {
    const rows = readFileSync('README.md', 'utf8').match(/^\| `[A-Z_]+` \|.*$/gm);
    const expected = describeSettings().map(
      ({ name, defaultValue, range, description }) => `| \`${name}\` | ${defaultValue} | ${range} | ${description} |`,
    );
    expect(rows?.join('\n')).toBe(expected.join('\n'));
  });
});
