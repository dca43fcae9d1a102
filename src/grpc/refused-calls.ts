import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { forwardedAddress, plainAddress } from '../access/client-address.ts';
import { ERRORS } from '../common/errors.ts';
import { parseTraceparent } from '../metrics/trace-context.ts';
import type { CallLog } from './call-log.ts';

/** What is known of the calls of a server. */
interface RefusedCallsOptions {
  /** Whether there is a method with this path. */
  readonly hasMethod: (path: string) => boolean;
  /** How many proxies in front are trusted to say the client's address. */
  readonly trustProxy: number;
  readonly log: Pick<CallLog, 'write'>;
}

/**
 * Logs and counts the calls that no interceptor sees: those of methods that do not exist, and requests that are not calls
 * of gRPC. The library has its HTTP/2 servers in a private field; without it, these calls are not counted.
 * @param server one that is listening
 */
export function countRefusedCalls(server: Server, { hasMethod, trustProxy, log }: RefusedCallsOptions): void {
  const onStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void => {
    const { ':path': path = '', 'x-forwarded-for': forwarded = [], traceparent } = headers;
    // The library listens too, since before, and has answered what it refuses; a call is always answered with 200.
    const isCall = Number(stream.sentHeaders?.[':status'] ?? 200) === 200;
    if (isCall && hasMethod(path)) return;
    const connection = stream.session?.socket.remoteAddress ?? 'unknown';
    const address = forwardedAddress(connection, { forwardedFor: [forwarded].flat().join(','), trustProxy });
    const record = {
      requestId: randomUUID(),
      traceId: parseTraceparent(traceparent)?.traceId,
      path,
      address: plainAddress(address),
      startedAt: performance.now(),
      receivedBytes: 0,
      sentBytes: 0,
    };
    log.write(record, ERRORS[isCall ? 'route_not_found' : 'unsupported_media_type'].status, undefined);
  };
  for (const each of http2Servers(server)) each.on('stream', onStream);
}

function http2Servers(server: object): EventEmitter[] {
  if (!('http2Servers' in server && server.http2Servers instanceof Map)) return [];
  return [...server.http2Servers.keys()].filter((each) => each instanceof EventEmitter);
}
