import type { Request, Response } from 'express';

/** Where a request stands, for the log, the metrics and the answers. */
export interface RequestState extends Record<string, unknown> {
  readonly requestId: string;
  /** `performance.now()` when its head had arrived. */
  readonly startedAt: number;
  /** The path of its route as `openapi.yaml` writes it; unset for paths that are not routed. */
  route?: string;
}

type Handler = (request: Request, response: Response<unknown, RequestState>) => void | Promise<void>;

/** One operation of `openapi.yaml`. */
export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** As in `openapi.yaml`: `/models/{id}`. */
  readonly path: string;
  readonly handle: Handler;
  /** Answered although the server is shutting down. */
  readonly whileShuttingDown?: true;
}
