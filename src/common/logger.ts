import { type Logger, pino } from 'pino';

export type { Logger };

/** Levels of pino, from the most to the fewest messages. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Logs JSON lines to standard output. Never log a whole request: headers and bodies may hold secrets. */
export function createLogger(level: LogLevel): Logger {
  return pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}
