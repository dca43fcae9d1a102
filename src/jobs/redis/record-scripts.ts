/**
 * Changes of jobs, each one script, so that it happens wholly or not at all. KEYS[1] is the prefix, in braces so that all
 * keys are on one node of a cluster:
 *
 * - `record:<id>`: a hash, the job. Texts of JSON are opaque here, since Lua's numbers and empty lists are not JSON's.
 * - `events:<id>`: a stream, the job's log. The id of event 7 is `7-0`.
 * - `records`, `waiting`, `finished`: sorted sets of ids, by creation, and by the end. `waiting` has those that are being
 *   enqueued too, which have no record yet.
 * - `archives`: a set, ids that may have an archive.
 * - `newest`: the time in the newest id.
 *
 * Messages on the channel `changed` are the id of the job and what changed: `state`, `cancel` or `progress`.
 * Times are Redis's, in milliseconds since 1970, so that clocks of other machines do not matter.
 */
const COMMON = `
local prefix = KEYS[1]
local function key(name) return prefix .. ':' .. name end
local function record(id) return prefix .. ':record:' .. id end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function publish(id, what) redis.call('PUBLISH', key('changed'), id .. ' ' .. what) end
local function append(id, at, what, ...)
  local number = redis.call('HINCRBY', record(id), 'lastEvent', 1)
  local limit = redis.call('HGET', key('limits'), 'maxEvents')
  redis.call('XADD', prefix .. ':events:' .. id, 'MAXLEN', limit, number .. '-0', 'at', at, 'type', what, ...)
  publish(id, what)
end
local function logState(id, at)
  local state, failure = unpack(redis.call('HMGET', record(id), 'state', 'failure'))
  append(id, at, 'state', 'state', state, 'failure', failure or 'null')
end
local function isFinished(state) return state ~= 'queued' and state ~= 'running' end
local function finish(id, at, state, field, value)
  redis.call('HSET', record(id), 'state', state, 'finishedAt', at)
  if field then redis.call('HSET', record(id), field, value) end
  redis.call('HDEL', record(id), 'token')
  redis.call('ZREM', key('waiting'), id)
  redis.call('ZADD', key('finished'), at, id)
  logState(id, at)
  local over = redis.call('ZCARD', key('finished')) - redis.call('HGET', key('limits'), 'keepFinished')
  if over <= 0 then return end
  for _, old in ipairs(redis.call('ZRANGE', key('finished'), 0, over - 1)) do
    redis.call('UNLINK', record(old), prefix .. ':events:' .. old)
    redis.call('ZREM', key('records'), old)
    redis.call('ZREM', key('finished'), old)
  end
end
local function requeue(id, at, attempts)
  redis.call('HSET', record(id), 'state', 'queued', 'attempts', attempts)
  redis.call('HDEL', record(id), 'token')
  redis.call('ZADD', key('waiting'), at, id)
  logState(id, at)
end
local function lose(id, at, reason)
  local cancel, attempts, advanced = unpack(redis.call('HMGET', record(id), 'cancel', 'attempts', 'advanced'))
  if cancel == '1' then
    finish(id, at, 'cancelled')
    return 'cancelled'
  end
  if tonumber(attempts) >= tonumber(redis.call('HGET', key('limits'), 'maxAttempts')) and advanced ~= '1' then
    local message = 'the worker was lost ' .. attempts .. ' times without getting further, the last time because '
    finish(id, at, 'failed', 'failure', cjson.encode({ code = 'worker_lost', message = message .. reason }))
    return 'failed'
  end
  requeue(id, at, advanced == '1' and 0 or attempts)
  return 'queued'
end
`;

/** The arguments of each are those of the method of the same name in `redis-job-records.ts`. */
export const RECORD_SCRIPTS = {
  /** limits */
  configure: `redis.call('HSET', key('limits'), unpack(ARGV))`,

  /** Takes a place in the queue. Nil when there is none. */
  reserve: `
local limit, random, hasArchive = unpack(ARGV)
if redis.call('ZCARD', key('waiting')) >= tonumber(limit) then return false end
local at = now()
local newest = math.max(at, (tonumber(redis.call('GET', key('newest'))) or 0) + 1)
redis.call('SET', key('newest'), string.format('%.0f', newest))
local id = string.format('%012x-%s', newest, random)
redis.call('ZADD', key('waiting'), at, id)
if hasArchive == '1' then redis.call('SADD', key('archives'), id) end
return id`,

  /** Nil when the place was given away meanwhile. */
  create: `
local id, payload, hasArchive = unpack(ARGV)
if not redis.call('ZSCORE', key('waiting'), id) then return false end
local at = now()
redis.call('HSET', record(id), 'state', 'queued', 'payload', payload, 'attempts', 0, 'kept', 0, 'cancel', 0,
  'createdAt', at, 'archive', hasArchive)
redis.call('ZADD', key('records'), tonumber(string.sub(id, 1, 12), 16), id)
logState(id, at)
return redis.call('HGETALL', record(id))`,

  /** Undoes \`reserve\`, and \`create\` where no worker has the job. Returns whether there is no job now. */
  withdraw: `
local id = ARGV[1]
local state = redis.call('HGET', record(id), 'state')
if state and state ~= 'queued' then return 0 end
redis.call('UNLINK', record(id), prefix .. ':events:' .. id)
redis.call('ZREM', key('records'), id)
redis.call('ZREM', key('waiting'), id)
return 1`,

  /** Nil when the job has ended; an empty table when the lock has run out meanwhile. */
  claim: `
local id, token, lockKey = unpack(ARGV)
if redis.call('GET', lockKey) ~= token then return {} end
local state = redis.call('HGET', record(id), 'state')
if not state then return false end
local at = now()
if state == 'running' then state = lose(id, at, 'it fell silent') end
if isFinished(state) then return false end
redis.call('HSET', record(id), 'state', 'running', 'token', token, 'startedAt', at, 'advanced', 0)
redis.call('HINCRBY', record(id), 'attempts', 1)
redis.call('ZREM', key('waiting'), id)
logState(id, at)
return redis.call('HGETALL', record(id))`,

  progress: `
local id, token, progress, kept = unpack(ARGV)
local holder, cancel, most = unpack(redis.call('HMGET', record(id), 'token', 'cancel', 'kept'))
if holder ~= token then return 'lost' end
if progress ~= '' then
  if tonumber(kept) > tonumber(most) then
    most = kept
    redis.call('HSET', record(id), 'advanced', 1)
  end
  redis.call('HSET', record(id), 'progress', progress, 'kept', most)
  append(id, now(), 'progress', 'progress', progress, 'kept', most)
end
return cancel == '1' and 'cancel' or 'held'`,

  /** Ends a job. A worker that did not hear the answer may say it again. */
  finish: `
local id, token, state, field, value = unpack(ARGV)
local holder, cancel, endedBy = unpack(redis.call('HMGET', record(id), 'token', 'cancel', 'endedBy'))
if endedBy == token then return 'ended' end
if holder ~= token then return 'lost' end
if state == 'cancelled' and cancel ~= '1' then return 'uncalled' end
redis.call('HSET', record(id), 'endedBy', token)
if state == 'failed' and cancel == '1' then
  finish(id, now(), 'cancelled')
elseif field == '' then
  finish(id, now(), state)
else
  finish(id, now(), state, field, value)
end
return 'ended'`,

  abandon: `
local id, token, reason = unpack(ARGV)
if redis.call('HGET', record(id), 'token') ~= token then return 'lost' end
return lose(id, now(), reason)`,

  /** Queues a job again without counting an attempt. */
  giveBack: `
local id, token = unpack(ARGV)
local holder, cancel, attempts = unpack(redis.call('HMGET', record(id), 'token', 'cancel', 'attempts'))
if holder ~= token then return 'lost' end
if cancel == '1' then
  finish(id, now(), 'cancelled')
  return 'cancelled'
end
requeue(id, now(), attempts - 1)
return 'queued'`,

  /** A job whose lock is gone, unless another worker has it already. */
  stalled: `
local id, lockKey = unpack(ARGV)
if redis.call('EXISTS', lockKey) == 1 then return '' end
if redis.call('HGET', record(id), 'state') ~= 'running' then return '' end
return lose(id, now(), 'it fell silent')`,

  requestCancel: `
local id = ARGV[1]
local state, cancel = unpack(redis.call('HMGET', record(id), 'state', 'cancel'))
if state == 'queued' then
  finish(id, now(), 'cancelled')
  return 'done'
end
if state == 'running' and cancel ~= '1' then
  redis.call('HSET', record(id), 'cancel', 1)
  publish(id, 'cancel')
end
return state`,

  /** Ends a job whose worker was asked to cancel it and has not answered. */
  endCancelled: `
local id = ARGV[1]
local state, cancel = unpack(redis.call('HMGET', record(id), 'state', 'cancel'))
if cancel == '1' and not isFinished(state) then finish(id, now(), 'cancelled') end`,

  claimState: `
return redis.call('HMGET', record(ARGV[1]), 'token', 'cancel')`,

  get: `return redis.call('HGETALL', record(ARGV[1]))`,

  list: `
local found = {}
for _, id in ipairs(redis.call('ZREVRANGE', key('records'), 0, -1)) do
  found[#found + 1] = { id, redis.call('HGETALL', record(id)) }
end
return found`,

  /** All events when the given id was never given out. */
  events: `
local id, after = unpack(ARGV)
local state, last = unpack(redis.call('HMGET', record(id), 'state', 'lastEvent'))
if not state then return false end
if tonumber(after) > tonumber(last) then after = 0 end
return { state, last, redis.call('XRANGE', prefix .. ':events:' .. id, '(' .. after .. '-0', '+') }`,

  unfinished: `
local ids = {}
for _, id in ipairs(redis.call('ZRANGE', key('records'), 0, -1)) do
  if not redis.call('ZSCORE', key('finished'), id) then ids[#ids + 1] = id end
end
return ids`,

  /** Frees places whose owner died before its job was made. Returns ids whose archives nobody needs. */
  leftovers: `
local before = now() - ARGV[1]
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('waiting'), 0, before)) do
  if redis.call('EXISTS', record(id)) == 0 then redis.call('ZREM', key('waiting'), id) end
end
local ids = {}
for _, id in ipairs(redis.call('SMEMBERS', key('archives'))) do
  local state = redis.call('HGET', record(id), 'state')
  if state and isFinished(state) or not state and not redis.call('ZSCORE', key('waiting'), id) then
    ids[#ids + 1] = id
  end
end
return ids`,

  archiveRemoved: `return redis.call('SREM', key('archives'), ARGV[1])`,
} as const;

export type RecordScript = keyof typeof RECORD_SCRIPTS;

/** The whole text of a script. */
export function scriptText(name: RecordScript): string {
  return COMMON + RECORD_SCRIPTS[name];
}
