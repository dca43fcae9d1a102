import type { ServerWritableStream } from '@grpc/grpc-js';
import { AppError } from '../common/errors.ts';
import { decode, encode } from '../common/protobuf.ts';
import { HEALTH_SERVICE, HEALTH_STATUS, healthRequest, healthResponse, INFERENCE_SERVICE } from '../oip/messages.ts';
import type { Method, MethodRules } from './method.ts';

/** Milliseconds after which a watcher is told of a change. */
const WATCH_INTERVAL_MS = 1_000;
/** The names under which health is asked for: of the server, and of its service. */
const SERVICES: readonly string[] = ['', INFERENCE_SERVICE];

/** The method that tells of changes. */
export const HEALTH_WATCH = {
  path: `/${HEALTH_SERVICE}/Watch`,
  scope: 'open',
  whileShuttingDown: true,
} as const satisfies MethodRules;

/** The health checks of gRPC: a call for each, as Kubernetes makes them. @param isReady as `ServerReady` */
export function healthMethods(isReady: () => boolean): Method[] {
  return [
    {
      path: `/${HEALTH_SERVICE}/Check`,
      scope: 'open',
      whileShuttingDown: true,
      handle: (message) => {
        const service = serviceOf(message);
        if (SERVICES.includes(service)) return encode(healthResponse, { status: statusOf(service, isReady) });
        throw new AppError('route_not_found', `There is no service "${service.slice(0, 100)}".`);
      },
    },
  ];
}

/** Tells a client of the health of a service, now and after each change, until it cancels the call. */
export function watchHealth(call: ServerWritableStream<Buffer, Buffer>, isReady: () => boolean): void {
  const service = serviceOf(call.request);
  let told: number | undefined;
  const tell = (): void => {
    const status = statusOf(service, isReady);
    if (status === told) return;
    told = status;
    call.write(Buffer.from(encode(healthResponse, { status })));
  };
  tell();
  const timer = setInterval(tell, WATCH_INTERVAL_MS).unref();
  call.once('cancelled', () => clearInterval(timer));
}

/** A message that cannot be read asks for no service that there is. */
function serviceOf(message: Uint8Array): string {
  try {
    return decode(healthRequest, message, 10).service ?? '';
  } catch {
    return '?';
  }
}

function statusOf(service: string, isReady: () => boolean): number {
  if (!SERVICES.includes(service)) return HEALTH_STATUS.serviceUnknown;
  return isReady() ? HEALTH_STATUS.serving : HEALTH_STATUS.notServing;
}
