import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { AppError, ERRORS, type ErrorCode } from '../../src/common/errors.ts';
import { failureStatus } from '../../src/grpc/status.ts';

const failure = (error: AppError) => failureStatus(grpc, error, 'r1');

describe('the status of an error', () => {
  it('is one of gRPC for every error of the table', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      expect(grpc.status[failure(new AppError(code, 'x')).code], code).toMatch(/^[A-Z_]+$/);
    }
  });

  it.each<[ErrorCode, grpc.status]>([
    ['invalid_request', grpc.status.INVALID_ARGUMENT],
    ['key_missing', grpc.status.UNAUTHENTICATED],
    ['scope_missing', grpc.status.PERMISSION_DENIED],
    ['model_not_found', grpc.status.NOT_FOUND],
    ['model_not_loaded', grpc.status.FAILED_PRECONDITION],
    ['queue_full', grpc.status.RESOURCE_EXHAUSTED],
    ['engine_lost', grpc.status.UNAVAILABLE],
    ['internal', grpc.status.INTERNAL],
  ])('of %s is the one that clients know', (code, expected) => {
    expect(failure(new AppError(code, 'what was wrong'))).toMatchObject({ code: expected, details: 'what was wrong' });
  });

  it('has the code, the request and when to try again beside it', () => {
    const { metadata } = failure(new AppError('queue_full', 'busy', { retryAfter: 7 }));
    expect(metadata.getMap()).toEqual({ 'error-code': 'queue_full', 'request-id': 'r1', 'retry-after': '7' });
  });

  it('fits the trailers that clients take, whatever characters it has', () => {
    const { details } = failure(new AppError('invalid_request', `${'x'.repeat(599)}😀${'日'.repeat(5_000)}`));
    expect(encodeURI(details).length).toBeLessThan(8_192);
  });
});
