import type { Log, LogRecord } from '../../common/log';

/** A log whose records cross to the host as events. */
export function createChannelLog(emit: (record: LogRecord) => void, nowMs: () => number = Date.now): Log {
  return { log: (level, tag, message, fields) => emit({ timeMs: nowMs(), level, tag, message, fields }) };
}
