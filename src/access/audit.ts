import type { JsonObject } from '../common/json.ts';
import type { Logger } from '../common/logger.ts';
import type { Client } from './access.ts';

/** A request that changes something, when it is over. */
interface AuditedRequest {
  readonly requestId: string;
  /** Undefined when it is not known who sent it. */
  readonly client: Client | undefined;
  readonly address: string;
  /** What it asked for. */
  readonly action: string;
  /** What it is about beyond `action`. */
  readonly subject?: JsonObject | undefined;
  /** HTTP status of the answer; null when the client left before it. */
  readonly status: number | null;
}

/**
 * Creates a function that logs requests which change something: who sent it, from where, what it asked for, and how
 * that ended. Refused requests are logged too. The lines have `audit: true`, and are written at every `LOG_LEVEL` but
 * `silent`. They never hold a key: its name and id tell which one it was.
 */
export function auditLines(logger: Logger): (request: AuditedRequest) => void {
  const lines = logger.level === 'silent' ? logger : logger.child({ audit: true }, { level: 'info' });
  return ({ requestId, client, address, action, subject, status }) => {
    lines.info({ requestId, ...whoIs(client), address, action, ...(subject && { subject }), status }, 'audit');
  };
}

function whoIs(client: Client | undefined) {
  if (client?.kind !== 'key') return { client: client?.kind ?? 'unknown' };
  return { client: 'key', key: { id: client.id, name: client.name } };
}
